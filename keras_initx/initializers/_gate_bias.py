"""A constant bias for the gate that keeps the state."""

from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._registry import register
from keras_initx.initializers._base.gate_bias import LAYERS, gate_bias, units_of_bias
from keras_initx.initializers._base.plain_initializer import PlainInitializer


@register("initializers")
class GateBias(PlainInitializer):
    """Sets the bias of the gate that keeps the state, and all other biases to zero.

        b_f = forget        layer="lstm"
        b_z = forget        layer="gru", whose update gate keeps z times the state

    A unit then keeps the share sigmoid(forget) of its state at each step. The usual
    value 1 keeps 73 %, and so the state for about 4 steps; 3 keeps it for 21 steps. For
    longer memories, and for units that differ in theirs, take `ChronoBias`.

    An LSTM needs `unit_forget_bias=False`. With its default, `True`, Keras sets the
    bias of the forget gate to 1, and has no place for another value.

    Examples:
    >>> bias = keras_initx.initializers.GateBias(3.0)
    >>> lstm = keras.layers.LSTM(32, bias_initializer=bias, unit_forget_bias=False)
    >>> gru = keras.layers.GRU(
    ...     32, bias_initializer=keras_initx.initializers.GateBias(3.0, layer="gru")
    ... )
    >>> keras.ops.convert_to_numpy(bias((8,))).tolist()
    [0.0, 0.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]

    Args:
        forget: float. The bias of the gate that keeps the state. Defaults to `1.0`.
        layer: str. `"lstm"` or `"gru"`. Defaults to `"lstm"`.

    Call arguments:
        shape: tuple of int. `(4 * units,)` for an LSTM, which may be a convolutional
            one. For a GRU `(2, 3 * units)`, or `(3 * units,)` with `reset_after=False`.
        dtype: str or None. A floating-point dtype. Defaults to `keras.config.floatx()`.

    Returns:
        A tensor of that shape and dtype.

    Raises:
        ValueError: If `forget` is not a finite number, `layer` is unknown, the layer
            that is built is another one or has `unit_forget_bias=True`, or the shape is
            not that of its bias.

    Reference:
        Jozefowicz, Zaremba and Sutskever 2015, "An empirical exploration of recurrent
        network architectures", https://proceedings.mlr.press/v37/jozefowicz15.html.
    """

    def __init__(self, forget: float = 1.0, layer: str = "lstm") -> None:
        self.forget = _validate.number("GateBias", "forget", forget)
        self.layer = _validate.choice("GateBias", "layer", layer, LAYERS)

    def check(self, shape: tuple[int, ...]) -> None:
        units_of_bias("GateBias", self.layer, shape)

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        units = units_of_bias("GateBias", self.layer, shape)
        return gate_bias(self.layer, shape, np.full(units, self.forget, dtype))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        return {"forget": self.forget, "layer": self.layer}
