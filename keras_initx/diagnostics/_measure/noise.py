"""How much noise a layer adds to its signal."""

import math
from typing import Any

from keras import layers

# Layers that only add noise; a pass makes them return their input.
NOISE = (
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
)
_ARGUMENTS = ("dropout", "recurrent_dropout")


def noise_of(layer: layers.Layer, signal: float | None) -> float | None:
    """The standard deviation of a layer's noise as a multiple of its signal.

    What drops the share p of its inputs, and divides the others by 1 - p, multiplies
    each by a number of mean 1 and standard deviation sqrt(p / (1 - p)).

    Args:
        layer: keras.layers.Layer.
        signal: float or None. The standard deviation of its input.

    Returns:
        None for a layer without noise.
    """
    if isinstance(layer, layers.GaussianNoise):
        return float(layer.stddev) / signal if signal else None
    rate = rate_of(layer)
    if rate is None or not 0 < rate < 1:
        return math.inf if rate == 1 else None
    return math.sqrt(rate / (1 - rate))


def rate_of(layer: layers.Layer) -> float | None:
    """The largest share that a layer drops; None for a layer without dropout."""
    if isinstance(layer, NOISE):
        found = [getattr(layer, "rate", None)]
    else:
        cell = getattr(layer, "cell", None)
        found = [
            getattr(each, name, None) for each in (layer, cell) for name in _ARGUMENTS
        ]
    rates = [rate for rate in found if _is_rate(rate)]
    return max(rates) if rates else None


def _is_rate(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)
