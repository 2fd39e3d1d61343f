"""Any initializer, applied to each block of a kernel on its own."""

import dataclasses
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._backend.seeds import split
from keras_initx._kernel.arrays import in_reach, namespace
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.blocks import block_count
from keras_initx._kernel.with_axes import with_axes
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.axes_initializer import AxesInitializer
from keras_initx.initializers._haar_orthogonal import HaarOrthogonal
from keras_initx.initializers._orthogonal_delta import OrthogonalDelta

# Their blocks are computed all at once.
_TOGETHER = (HaarOrthogonal, OrthogonalDelta)


@register("initializers")
@shared_arguments
class Blockwise(AxesInitializer):
    """Applies an initializer to each of several equal blocks of a kernel on its own.

        K = [K_1, K_2, ..., K_blocks]    along `axis`

    Each block is drawn as a kernel of its own: with the fans of the block, and from a
    seed of its own. Use it for kernels that hold several maps side by side: the gates
    of a recurrent layer, the heads of attention, fused query, key and value kernels,
    the groups of a convolution, the experts of a mixture. Other initializers read such
    a kernel as one matrix. Keras's `Orthogonal` then makes no gate of an LSTM
    orthogonal.

    `GateOrthogonal` and `GateIdentity` are this class with a fixed initializer.

    Examples:
    >>> three = keras_initx.initializers.Blockwise("haar_orthogonal", blocks=3, seed=0)
    >>> kernel = three((8, 24))  # query, key and value, side by side
    >>> key = kernel[:, 8:16]
    >>> gram = keras.ops.matmul(keras.ops.transpose(key), key)
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(8)) < 1e-5))
    True
    >>> layer = keras.layers.LSTM(
    ...     32, recurrent_initializer=keras_initx.initializers.Blockwise("he_normal")
    ... )

    Args:
        initializer: str, `keras.initializers.Initializer`, dict or callable. Draws each
            block. It gets the axes below, and a seed for each block, if it takes them.
            Defaults to `"haar_orthogonal"`.
        blocks: int or None. The number of blocks. Defaults to `None`, for a recurrent
            kernel `(*kernel_size, units, gates * units)`: the number of its gates.
        axis: int. The axis along which the blocks stand side by side. Defaults to `-1`.
        seed: ... None keeps the seed of `initializer`.
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `initializer` is None, `blocks` is not positive, does not divide
            the size of the axis, or is None where the shape does not tell it, or if
            there is no such axis.

    Reference:
        Glorot and Bengio 2010, "Understanding the difficulty of training deep
        feedforward neural networks", section 4.2.1: the fans of one map, which those of
        several maps side by side are not,
        https://proceedings.mlr.press/v9/glorot10a.html.
    """

    def __init__(
        self,
        initializer: Any = "haar_orthogonal",
        blocks: int | None = None,
        axis: int = -1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        owner = type(self).__name__
        self.initializer = keras.initializers.get(initializer)
        if self.initializer is None:
            raise _validate.error(
                owner,
                "an `initializer` for its blocks",
                "initializer=None",
                "Pass for example 'haar_orthogonal' or 'he_normal'.",
            )
        if blocks is not None:
            blocks = _validate.positive_integer(owner, "blocks", blocks)
        self.blocks = blocks
        self.axis = _validate.integer(owner, "axis", axis)
        if seed is None:
            self.seed = getattr(self.initializer, "seed", self.seed)

    def read(self, shape: tuple[int, ...]) -> KernelAxes:
        if self.blocks is not None and len(shape) == 1:
            # A bias has blocks too. Its one axis has no role.
            return KernelAxes(shape, (), (), (), ())
        return super().read(shape)

    def check(self, axes: KernelAxes) -> None:
        self._count(axes)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        count, shape = self._count(axes), list(axes.shape)
        shape[self.axis] //= count
        block = dataclasses.replace(axes, shape=tuple(shape))
        known = block if len(shape) >= 2 else None
        seeds = split(self.seed, count)
        makers = (with_axes(self.initializer, known, seed) for seed in seeds)
        first = next(makers)
        if type(first) in _TOGETHER:
            drawn = first.draw_each(block.shape, dtype, seeds)
        else:
            drawn = [
                in_reach(maker(block.shape, dtype=dtype)) for maker in (first, *makers)
            ]
        return namespace(drawn[0]).concatenate(drawn, axis=self.axis)

    def _count(self, axes: KernelAxes) -> int:
        """The number of blocks."""
        return block_count(type(self).__name__, axes, self.blocks, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {
            "initializer": keras.initializers.serialize(self.initializer),
            "blocks": self.blocks,
            "axis": self.axis,
            **super().get_config(),
        }
