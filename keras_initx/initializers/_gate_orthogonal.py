"""Recurrent kernels in which each gate is orthogonal."""

from typing import Any

from keras_initx._registry import register
from keras_initx.activations._gain_argument import config_of, gain_of
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.axes_initializer import AxesInitializer
from keras_initx.initializers._blockwise import Blockwise
from keras_initx.initializers._orthogonal_delta import OrthogonalDelta


@register("initializers", "gate_orthogonal")
@shared_arguments
class GateOrthogonal(Blockwise):
    """Makes each gate of a recurrent kernel `gain` times a random orthogonal matrix.

        K = gain [Q_1, ..., Q_gates]        Q_j Q_j.T = Q_j.T Q_j = I

    with Haar-random Q_j, independent of each other. It is for `SimpleRNN`, `LSTM`,
    `GRU`, and for `ConvLSTM1D` to `ConvLSTM3D`, where Q_j stands at the centre tap and
    the other taps are zero. A random orthogonal matrix turns the state without loss, so
    that it remembers what came when: it suits tasks of copying.

    Keras's own default, `Orthogonal`, makes one matrix of all gates. The singular
    values of a gate of an LSTM then lie between 0 and 0.87, and none is 1.

    Examples:
    >>> layer = keras.layers.LSTM(32, recurrent_initializer="gate_orthogonal")
    >>> kernel = keras_initx.initializers.GateOrthogonal(seed=0)((8, 32))
    >>> forget = kernel[:, 8:16]
    >>> gram = keras.ops.matmul(forget, keras.ops.transpose(forget))
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(8)) < 1e-5))
    True

    Args:
        gain: ...
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `gain` is neither positive nor an elementwise activation, or if
            the number of output units is no multiple of that of the inputs.

    Reference:
        Saxe, McClelland and Ganguli 2013, "Exact solutions to the nonlinear dynamics of
        learning in deep linear neural networks", https://arxiv.org/abs/1312.6120.
        Henaff, Szlam and LeCun 2016, "Recurrent orthogonal networks and long-memory
        tasks", https://arxiv.org/abs/1602.06662.
    """

    def __init__(
        self,
        gain: Any = 1.0,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        self.gain = gain_of("GateOrthogonal", gain)
        super().__init__(
            OrthogonalDelta(self.gain),
            seed=seed,
            input_axes=input_axes,
            output_axes=output_axes,
            batch_axes=batch_axes,
        )

    def get_config(self) -> dict[str, Any]:
        return {"gain": config_of(self.gain), **AxesInitializer.get_config(self)}
