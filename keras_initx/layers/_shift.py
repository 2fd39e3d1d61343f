"""Temporary."""

import keras


class Shift(keras.layers.Layer):
    def __init__(self, initial_value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.initial_value = initial_value

    def build(self, shape=None):
        self.offset = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.initial_value)
        )
        self.built = True

    def call(self, x):
        return x + keras.ops.cast(self.offset, x.dtype)
