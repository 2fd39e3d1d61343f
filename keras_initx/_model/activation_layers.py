"""The layers of Keras that are nothing but an activation.

`Activation` is not among them, because it has an attribute `activation`.
"""

from keras import layers

ACTIVATION_LAYERS = (
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.Softmax,
)
