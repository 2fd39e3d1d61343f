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
    return max(_rates(layer).values(), default=None)


def argument_of(layer: layers.Layer) -> str:
    """The argument that sets the noise of a layer."""
    rates = _rates(layer)
    return max(rates, key=lambda name: rates[name]) if rates else "stddev"


def _rates(layer: layers.Layer) -> dict[str, float]:
    """The shares that a layer drops, by their arguments."""
    names = ("rate",) if isinstance(layer, NOISE) else _ARGUMENTS
    cell = getattr(layer, "cell", None)
    found: dict[str, Any] = {
        name: getattr(layer, name, getattr(cell, name, None)) for name in names
    }
    return {name: rate for name, rate in found.items() if _is_rate(rate)}


def _is_rate(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)
