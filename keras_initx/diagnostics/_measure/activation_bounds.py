"""Which activation a layer has, and where it is flat."""

from typing import Any

import keras
from keras import layers

# The bounds that outputs come near to; None where a bound is no saturation.
_BOUNDS: dict[str, tuple[float | None, float]] = {
    "tanh": (-1.0, 1.0),
    "lecun_tanh": (-1.7159, 1.7159),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "sparse_sigmoid": (0.0, 1.0),
    "relu6": (None, 6.0),
}
# So near to a bound, as a share of the range, tanh and sigmoid have less than 12 % of
# their largest slope.
_MARGIN = 0.03

RECTIFIERS = ("relu", "relu6")

_LAYERS = {
    layers.LeakyReLU: "leaky_relu",
    layers.PReLU: "prelu",
    layers.ELU: "elu",
    layers.Softmax: "softmax",
}

# Layers that are an activation, and get their pre-activation as input.
LAYERS = (layers.ReLU, *_LAYERS)


def activation_of(layer: layers.Layer) -> str:
    """The name of the activation that makes a layer's outputs; empty without one."""
    if isinstance(layer, layers.RNN) and not isinstance(layer, layers.SimpleRNN):
        # Their outputs are products of several activations.
        return ""
    if isinstance(layer, layers.ReLU):
        if layer.negative_slope:
            return "leaky_relu"
        return "relu6" if layer.max_value == 6 else "relu"
    for kind, name in _LAYERS.items():
        if isinstance(layer, kind):
            return name
    function: Any = getattr(layer, "activation", None)
    if isinstance(function, keras.layers.Layer):
        return activation_of(function)
    if not callable(function):
        return ""
    name = getattr(function, "__name__", type(function).__name__)
    return "" if name == "linear" else name


def flat_parts(activation: str) -> tuple[float | None, float] | None:
    """Below the first number and above the second an activation is saturated."""
    if activation not in _BOUNDS:
        return None
    lower, upper = _BOUNDS[activation]
    margin = _MARGIN * (upper - (lower or 0.0))
    return None if lower is None else lower + margin, upper - margin
