"""The edge of chaos on a whole model."""
