"""The defaults of `flax.linen`."""

import math
from typing import Any

import keras

from keras_initx._model.model_variables import ModelVariable
from keras_initx.initializers import HaarOrthogonal
from keras_initx.schemes._reinitialize.presets.variable_roles import (
    by_variable,
    inputs_of,
    role,
)

# The deviation of a standard normal number that is cut off at two deviations.
_DEVIATION = 0.87962566103423978


def flax_defaults(
    model: keras.layers.Layer, variables: list[ModelVariable]
) -> dict[int, Any]:
    """What a module of Flax starts with.

    kernel              truncated normal, variance 1 / fan_in
    recurrent kernel    each gate orthogonal
    embeddings          N(0, 1 / features)
    biases              zero, that of the forget gate too
    """
    return by_variable(variables, _initializer)


def _initializer(each: ModelVariable) -> Any:
    kind = role(each)
    if kind == "table":
        features = each.variable.shape[-1]
        return keras.initializers.RandomNormal(stddev=1 / math.sqrt(features))
    if kind in ("gamma", "beta", "bias"):
        return keras.initializers.Constant(float(kind == "gamma"))
    if isinstance(each.layer, keras.layers.PReLU):
        return keras.initializers.Constant(0.01)
    if kind != "kernel":
        return None
    if each.variable.name == "recurrent_kernel":
        return HaarOrthogonal()
    stddev = 1 / math.sqrt(max(inputs_of(each), 1)) / _DEVIATION
    return keras.initializers.TruncatedNormal(stddev=stddev)
