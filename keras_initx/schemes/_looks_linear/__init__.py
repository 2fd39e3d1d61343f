"""The scheme that makes a whole model start as a linear function."""
