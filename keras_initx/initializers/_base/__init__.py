"""What the initializers share."""
