"""Recurrent kernels in which each gate is the identity."""

from typing import Any

import numpy as np

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.delta import delta
from keras_initx._registry import register
from keras_initx.activations._gain_argument import config_of, gain_of
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.axes_initializer import AxesInitializer
from keras_initx.initializers._base.fixed_initializer import WithoutSeed
from keras_initx.initializers._blockwise import Blockwise


@register("initializers", "gate_identity")
@shared_arguments
class GateIdentity(WithoutSeed, Blockwise):
    """Makes each gate of a recurrent kernel `gain` times the identity.

        K = gain [I, ..., I]

    It is for `SimpleRNN`, `LSTM`, `GRU`, and for `ConvLSTM1D` to `ConvLSTM3D`, where I
    stands at the centre tap and the other taps are zero. With `activation="relu"` and
    zero biases, a `SimpleRNN` is then the IRNN of Le, Jaitly and Hinton: its state is
    the sum of what came in, and so is its gradient. That suits tasks of adding. Train
    it with small steps and clipped gradients. For short memories the authors take a
    `gain` of 0.01.

    It is not random: units differ by their input kernels.

    Examples:
    >>> irnn = keras.layers.SimpleRNN(
    ...     100,
    ...     activation="relu",
    ...     kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
    ...     recurrent_initializer="gate_identity",
    ... )
    >>> kernel = keras_initx.initializers.GateIdentity(0.5)((2, 4))
    >>> keras.ops.convert_to_numpy(kernel).tolist()
    [[0.5, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.5]]

    Args:
        gain: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `gain` is neither positive nor an elementwise activation, or if
            the number of output units is no multiple of that of the inputs.

    Reference:
        Le, Jaitly and Hinton 2015, "A simple way to initialize recurrent networks of
        rectified linear units", https://arxiv.org/abs/1504.00941.
    """

    def __init__(
        self,
        gain: Any = 1.0,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        self.gain = gain_of("GateIdentity", gain)
        super().__init__(
            _Identity(self.gain),
            # It draws nothing: None would take a number from Python's generator.
            seed=0,
            input_axes=input_axes,
            output_axes=output_axes,
            batch_axes=batch_axes,
        )

    def get_config(self) -> dict[str, Any]:
        config = AxesInitializer.get_config(self)
        del config["seed"]
        return {"gain": config_of(self.gain), **config}


class _Identity(AxesInitializer):
    """`gain` times the identity, at the centre tap."""

    def __init__(self, gain: float = 1.0, **axes: Any) -> None:
        super().__init__(**{"seed": 0, **axes})
        self.gain = gain

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        units = (axes.count(axes.input), axes.count(axes.output))
        # A `Gain` makes float64 of float32.
        one = float(self.gain) * np.eye(*units, dtype=dtype)
        return delta(np.broadcast_to(one, (axes.count(axes.batch), *units)), axes)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}
