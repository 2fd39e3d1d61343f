"""Layers that do what few layers do."""

import keras
from catalogue import BACKEND, to_numpy
from keras import layers, ops

from keras_initx._model.sublayers import sublayers


class Compiled(layers.Layer):
    """Runs a layer within a compiled function."""

    def __init__(self, inner):
        super().__init__(name="compiled")
        self.inner = inner

    def build(self, shape):
        self.inner.build(shape)

    def call(self, inputs):
        if BACKEND == "jax":
            import jax  # noqa: TID251

            return jax.jit(self.inner)(inputs)
        import tensorflow as tf  # noqa: TID251

        return tf.function(self.inner)(inputs)


def picture(model):
    """Everything that a pass could disturb."""
    return {
        layer.path: {
            "attributes": sorted(vars(layer)),
            "flags": {k: v for k, v in vars(layer).items() if isinstance(v, bool)},
            "activation": getattr(layer, "activation", None),
            "call": layer.call.__func__,
            "losses": [float(to_numpy(loss)) for loss in layer._losses],
            "variables": [
                to_numpy(variable).tolist()
                for variable in (*layer.variables, *(getattr(layer, "states", 0) or ()))
            ],
            "modes": [m.training for m in layer.modules()]
            if BACKEND == "torch"
            else [],
        }
        for layer in sublayers(model)
    }


class Restless(layers.Layer):
    """Changes its state and adds a loss at each call, in inference too."""

    def __init__(self):
        super().__init__(name="restless")
        self.generator = keras.random.SeedGenerator(1)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.is_used = False

    def call(self, inputs):
        self.is_used = True
        self.count.assign_add(1)
        self.add_loss(ops.sum(inputs))
        return inputs + keras.random.normal(ops.shape(inputs), seed=self.generator)
