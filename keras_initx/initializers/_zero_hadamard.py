"""ZerO: identities and Hadamard matrices in place of random numbers."""

from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.delta import delta
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.fixed_initializer import FixedInitializer


@register("initializers", "zero_hadamard")
@shared_arguments
class ZerO(FixedInitializer):
    """Fills a kernel with zeros and ones only, up to a factor: nothing is random.

        W = I                                      if out_channels = in_channels
        W = the first columns of I                 if out_channels < in_channels
        W = the first rows and columns of H / sqrt(p)
                                                   if out_channels > in_channels

    with W of shape `(in_channels, out_channels)`, p the smallest power of 2 that is not
    below `out_channels`, and H the Hadamard matrix of size p, whose entries are 1 and
    -1. A convolution has W at the tap `(k - 1) // 2` of each spatial axis.

    If `out_channels` is a power of 2, the rows of a Hadamard W are orthonormal, and the
    layer keeps the norm of its inputs. Otherwise they are shorter: their squared length
    is `out_channels / p`, which is above 1 / 2.

    With identities alone a network that gets wider could not learn much: what its
    square layers add to the identity has at most the rank of the number of inputs.
    Hadamard matrices break this bound. In a residual network the last layer of each
    branch takes `"zeros"`, and so does the layer that makes the outputs.

    The authors' code is followed. Their paper prints the factor `2^(-(m - 1) / 2)` with
    p = 2^m, which would make the layer longer by the square root of 2.

    Examples:
    >>> kernel = keras_initx.initializers.ZerO()((2, 4))
    >>> keras.ops.convert_to_numpy(kernel).tolist()
    [[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5]]
    >>> layer = keras.layers.Conv2D(64, 3, kernel_initializer="zero_hadamard")

    Args:
        groups: int. The `groups` of a grouped convolution. Each group then has a W of
            its own. Defaults to `1`.
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `groups` is not positive or does not divide the number of output
            channels.

    Reference:
        Zhao, Schäfer and Anandkumar 2022, "ZerO initialization: initializing neural
        networks with only zeros and ones", algorithms 1 and 2,
        https://arxiv.org/abs/2110.12661.
    """

    def __init__(
        self,
        groups: int = 1,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(input_axes, output_axes, batch_axes)
        self.groups = _validate.positive_integer("ZerO", "groups", groups)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        inputs, outputs = axes.count(axes.input), axes.count(axes.output) // self.groups
        matrix = np.eye(inputs, outputs, dtype=dtype)
        if outputs > inputs:
            matrix = _hadamard(inputs, outputs, dtype)
        tiled = np.tile(matrix, (1, self.groups))
        return delta(
            np.broadcast_to(tiled, (axes.count(axes.batch), *tiled.shape)), axes
        )

    def get_config(self) -> dict[str, Any]:
        return {"groups": self.groups, **super().get_config()}


def _hadamard(rows: int, columns: int, dtype: str) -> np.ndarray:
    """The upper left part of a Hadamard matrix, whose rows have the length 1.

    An entry is -1 if its row and its column, as binary numbers, share an odd number of
    ones.
    """
    size = 1 << (columns - 1).bit_length()
    shared = np.bitwise_count(np.arange(rows)[:, None] & np.arange(columns))
    return (1 - 2 * (shared % 2).astype(dtype)) / np.sqrt(size, dtype=dtype)
