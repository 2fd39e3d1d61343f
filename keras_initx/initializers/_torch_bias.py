"""The biases of PyTorch's layers."""

import math
from typing import Any

from keras_initx import _validate
from keras_initx._kernel.random import uniform
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.plain_initializer import SeededInitializer


@register("initializers")
@shared_arguments
class TorchBias(SeededInitializer):
    """Draws a bias as `torch.nn.Linear` and `torch.nn.Conv2d` do by default.

        b ~ U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))

    with the fan-in of the kernel of the same layer, which the shape of a bias does not
    tell. PyTorch draws the kernel from the same distribution: that is
    `VarianceScaling(1 / 3, "fan_in", "uniform")`. Keras's biases start at zero, and its
    kernels are wider, so a network that is ported without these starts otherwise.

    PyTorch counts these as the fan-in: `in_features` of a linear layer,
    `in_channels / groups * prod(kernel_size)` of a convolution, and
    `out_channels * prod(kernel_size)` of a transposed convolution. In recurrent layers
    it is the number of units, for kernels too.

    Examples:
    >>> layer = keras.layers.Dense(
    ...     64, bias_initializer=keras_initx.initializers.TorchBias(fan_in=128)
    ... )
    >>> layer.build((None, 128))
    >>> bool(keras.ops.max(keras.ops.abs(layer.bias)) < 128**-0.5)
    True

    Args:
        fan_in: int. The fan-in of the layer. Positive.
        seed: ...

    Raises:
        ValueError: If `fan_in` is not a positive integer.

    Reference:
        `reset_parameters` of PyTorch's layers,
        https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html; LeCun,
        Bottou, Orr and Müller 1998, "Efficient backprop", section 4.6.
    """

    def __init__(self, fan_in: int, seed: Any = None) -> None:
        super().__init__(seed)
        self.fan_in = _validate.positive_integer("TorchBias", "fan_in", fan_in)

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        numbers = 2 * uniform(shape, self.seed, dtype) - 1
        return numbers / math.sqrt(self.fan_in)

    def get_config(self) -> dict[str, Any]:
        return {"fan_in": self.fan_in, **super().get_config()}
