"""How `default_initializers` reaches the layers that are made in it."""
