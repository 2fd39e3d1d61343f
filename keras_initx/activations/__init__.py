"""Activations, and what they do to a signal on its way through a network."""

from keras_initx.activations._critical_point import critical_point as critical_point
from keras_initx.activations._fixed_point import fixed_point as fixed_point
from keras_initx.activations._gain import gain as gain
from keras_initx.activations._lecun_tanh import lecun_tanh as lecun_tanh
from keras_initx.activations._maps import correlation_map as correlation_map
from keras_initx.activations._maps import variance_map as variance_map
from keras_initx.activations._shaped import shaped as shaped
from keras_initx.activations._shaped_activation import (
    ShapedActivation as ShapedActivation,
)
from keras_initx.activations._variance_gain import variance_gain as variance_gain
