"""Temporary."""

import keras


class Scale(keras.layers.Layer):
    def __init__(self, initial_value=1.0, **kwargs):
        super().__init__(**kwargs)
        self.initial_value = initial_value

    def build(self, shape=None):
        self.factor = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.initial_value)
        )
        self.built = True

    def call(self, x):
        return x * keras.ops.cast(self.factor, x.dtype)
