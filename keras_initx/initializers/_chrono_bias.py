"""Biases that give the units of a recurrent layer their time scales."""

from typing import Any

from keras_initx import _validate
from keras_initx._kernel.arrays import cast, namespace
from keras_initx._kernel.random import uniform
from keras_initx._registry import register
from keras_initx.initializers._base.gate_bias import LAYERS, gate_bias, units_of_bias
from keras_initx.initializers._base.plain_initializer import SeededInitializer


@register("initializers")
class ChronoBias(SeededInitializer):
    """Draws the biases of the gates from the range of time scales in the data.

        b_f = log(u)    b_i = -b_f    u ~ U[1, max_timescale - 1]    layer="lstm"
        b_z = log(u)                                                 layer="gru"

    and zeros for all other gates. A unit with the number u keeps its state for 1 + u
    steps, because 1 / (1 - sigmoid(log u)) = 1 + u. So these times are uniform between
    2 and `max_timescale` steps. The input gate of an LSTM gets the opposite of the same
    number, so that the state is an average over that time and does not grow. Keras's
    GRU does so by itself: it keeps z times the old state and writes 1 - z times the new
    one. In the paper's notation its update gate is 1 - z, hence the sign.

    An LSTM needs `unit_forget_bias=False`: with its default, `True`, Keras sets the
    bias of the forget gate to 1.

    Examples:
    >>> lstm = keras.layers.LSTM(
    ...     64,
    ...     bias_initializer=keras_initx.initializers.ChronoBias(max_timescale=100),
    ...     unit_forget_bias=False,
    ... )
    >>> gru = keras.layers.GRU(
    ...     64, bias_initializer=keras_initx.initializers.ChronoBias(100, layer="gru")
    ... )
    >>> bias = keras_initx.initializers.ChronoBias(max_timescale=100, seed=0)((8,))
    >>> write, forget = bias[:2], bias[2:4]
    >>> bool(keras.ops.all(write == -forget))
    True

    Args:
        max_timescale: float. The longest time, in steps, over which units shall
            remember. At least 2. Mostly the length of the sequences; for the copy task
            the authors take 1.5 times the delay.
        layer: str. `"lstm"` or `"gru"`. Defaults to `"lstm"`.
        seed: int, `keras.random.SeedGenerator` or None. As in Keras: an integer gives
            the same values at each call, a generator gives new ones, and None draws an
            integer once. Defaults to `None`.

    Call arguments:
        shape: tuple of int. `(4 * units,)` for an LSTM, which may be a convolutional
            one. For a GRU `(2, 3 * units)`, or `(3 * units,)` with `reset_after=False`.
        dtype: str or None. A floating-point dtype. Defaults to `keras.config.floatx()`.

    Returns:
        A tensor of that shape and dtype.

    Raises:
        ValueError: If `max_timescale` is below 2, `layer` is unknown, the layer that is
            built is another one or has `unit_forget_bias=True`, or the shape is not
            that of its bias.

    Reference:
        Tallec and Ollivier 2018, "Can recurrent neural networks warp time?", section 2
        and equation 16, https://arxiv.org/abs/1804.11188.
    """

    def __init__(
        self, max_timescale: float, layer: str = "lstm", seed: Any = None
    ) -> None:
        super().__init__(seed)
        if not (_validate.is_number(max_timescale) and max_timescale >= 2):
            raise _validate.error(
                "ChronoBias",
                "`max_timescale` to be a number of steps of at least 2",
                f"max_timescale={max_timescale!r}",
                "Pass the length of the sequences.",
            )
        self.max_timescale = float(max_timescale)
        self.layer = _validate.choice("ChronoBias", "layer", layer, LAYERS)

    def check(self, shape: tuple[int, ...]) -> None:
        units_of_bias("ChronoBias", self.layer, shape)

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        units = units_of_bias("ChronoBias", self.layer, shape)
        share = cast(uniform((units,), self.seed), dtype)
        keep = namespace(share).log(1 + (self.max_timescale - 2) * share)
        return gate_bias(self.layer, shape, keep, write=-keep)

    def get_config(self) -> dict[str, Any]:
        return {
            "max_timescale": self.max_timescale,
            "layer": self.layer,
            **super().get_config(),
        }
