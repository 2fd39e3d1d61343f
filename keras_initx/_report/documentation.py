"""Where the documentation stands."""

# What `pyproject.toml` calls `Documentation`; a test compares them.
DOCUMENTATION = "https://keras-initx.github.io/keras_initx/"
