"""Activations of ours as series of Keras's own layers."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from keras_initx._registry import is_registered
from keras_initx.activations import ShapedActivation, lecun_tanh
from keras_initx.saving._detached.config_walk import Place


def keras_activation(activation: Any, place: Place) -> Any:
    """What Keras takes as an activation and computes the same, or None.

    Half precision is computed in float32, as `ShapedActivation` does.
    """
    compute = keras.dtype_policies.get(place.dtype).compute_dtype
    dtype = "float32" if compute in ("float16", "bfloat16") else compute
    steps = _steps(activation, dtype)
    if steps is None:
        return None
    if dtype != compute:
        steps = [*steps, layers.Activation("linear", dtype=compute)]
    if len(steps) == 1 and type(steps[0]) is layers.Activation:
        return steps[0].activation
    name = getattr(activation, "__name__", "shaped_activation")
    series = layers.Pipeline(steps, name=name)
    # The config then says that they are built. `Lambda` warns of what is not.
    for layer in (*steps, series):
        layer.build((None,))
    return series


def _steps(activation: Any, dtype: str) -> Sequence[layers.Layer] | None:
    if activation is lecun_tanh:
        return [
            layers.Rescaling(2 / 3, dtype=dtype),
            layers.Activation("tanh", dtype=dtype),
            layers.Rescaling(1.7159, dtype=dtype),
        ]
    if not isinstance(activation, ShapedActivation):
        return None
    inner = _inner(activation, dtype)
    if inner is None:
        return None
    steps = [
        _affine(activation.input_scale, activation.input_shift, dtype),
        *inner,
        # The sum is rounded before it is scaled, as in the class.
        _affine(1.0, activation.output_shift, dtype),
        _affine(activation.output_scale, 0.0, dtype),
    ]
    return [step for step in steps if step is not None]


def _affine(scale: float, shift: float, dtype: str) -> layers.Layer | None:
    if (scale, shift) == (1.0, 0.0):
        return None
    return layers.Rescaling(scale, shift, dtype=dtype)


def _inner(activation: ShapedActivation, dtype: str) -> Sequence[layers.Layer] | None:
    """The activation that is shaped."""
    function, slope = activation.activation, activation.negative_slope
    if slope is not None:
        # Keras's layers take no negative slope, and these functions do.
        return [layers.LeakyReLU(slope, dtype=dtype)] if slope >= 0 else None
    if is_registered(function):
        return _steps(function, dtype)
    if isinstance(function, layers.Layer):
        config = {**function.get_config(), "dtype": dtype}
        return [type(function).from_config(config)]
    return [layers.Activation(function, dtype=dtype)]
