"""Activations whose odd part is linear: f(x) - f(-x) = c x.

Such an f is c x / 2 plus an even function, which a mirrored pair of units cancels.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_initx._model.activation_layers import ACTIVATION_LAYERS
from keras_initx.layers import CReLU

# From small numbers to such that no bound of an activation is overlooked.
_POINTS = np.concatenate([np.geomspace(0.01, 1000, 60), np.linspace(0.05, 8, 60)])
# Relative to 1 + |x|. The error of GELU in float32 is below 1e-6.
_TOLERANCE = 1e-5


def activation_of(layer: layers.Layer) -> Any:
    """What bends the output of a layer: a function or layer; None for a linear one."""
    found = getattr(layer, "activation", None)
    if isinstance(layer, (CReLU, *ACTIVATION_LAYERS)):
        found = layer
    if not callable(found) or isinstance(layer, layers.RNN):
        return None
    return None if _is_linear(found) else found


def odd_factor(activation: Any) -> float | None:
    """The c of f(x) - f(-x) = c x, or None if there is no such number.

    1 for a PReLU whose units have different slopes: then each has its own c.
    """
    if isinstance(activation, CReLU):
        return 1.0
    if isinstance(activation, layers.PReLU) and activation.built:
        slopes = ops.convert_to_numpy(ops.cast(activation.alpha, "float32"))
        return 1.0 + float(slopes.flat[0]) if np.ptp(slopes) == 0 else 1.0
    values = _values(activation)
    if values is None:
        return None
    odd = values[0] - values[1]
    # Without the error of float32, so that a factor of 1 is 1.
    factor = round(float(np.median(odd / _POINTS)), 6)
    fits = np.abs(odd - factor * _POINTS) <= _TOLERANCE * (1 + _POINTS)
    return factor if fits.all() and factor > _TOLERANCE else None


def _is_linear(activation: Any) -> bool:
    """Whether f(x) = c x."""
    if activation is keras.activations.linear:
        return True
    factor = None if isinstance(activation, CReLU) else odd_factor(activation)
    values = None if factor is None else _values(activation)
    if values is None:
        return False
    even = np.abs(values[0] + values[1])
    return bool((even <= _TOLERANCE * (1 + _POINTS)).all())


def _values(activation: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """The values at the points and at their negatives, or None if there are none."""
    function = _function(activation)
    try:
        found = [
            ops.convert_to_numpy(
                ops.cast(function(ops.convert_to_tensor(x[None], "float32")), "float32")
            )
            for x in (_POINTS, -_POINTS)
        ]
    except Exception:
        return None
    if any(each.shape != (1, _POINTS.size) for each in found):
        return None
    return found[0][0].astype("float64"), found[1][0].astype("float64")


def _function(activation: Any) -> Callable[[Any], Any]:
    """`call` of a layer leaves out the casts of its dtype policy."""
    found: Callable[[Any], Any] = (
        activation.call if isinstance(activation, layers.Layer) else activation
    )
    return found
