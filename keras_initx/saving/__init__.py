"""Models in files."""

from keras_initx.saving._detach import detach as detach
