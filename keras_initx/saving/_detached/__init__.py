"""A model as a copy that needs Keras only."""
