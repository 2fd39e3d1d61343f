"""Kernels whose halves mirror each other."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from keras_initx._kernel.arrays import in_reach, namespace
from keras_initx._kernel.axes import KernelAxes


@dataclasses.dataclass(frozen=True)
class Mirror:
    """How a kernel is mirrored along one axis.

    Attributes:
        axis: int. Counted from 0.
        run: int. How many neighbours along the axis are mirrored in halves. An even
            divisor of its size.
        sign: int. -1 for a second half that is the negative of the first, 1 for one
            that is equal to it. Defaults to `-1`.
    """

    axis: int
    run: int
    sign: int = -1


def mirrored(
    draw: Callable[[KernelAxes], Any],
    axes: KernelAxes,
    mirrors: Sequence[Mirror],
    dtype: str,
) -> Any:
    """A kernel with these axes.

    Args:
        draw: function. Takes the axes of the part that is drawn, whose size is half
            along each mirrored axis, and returns it.
        axes: KernelAxes.
        mirrors: list of Mirror.
        dtype: str.
    """
    half = list(axes.shape)
    for each in mirrors:
        half[each.axis] //= 2
    drawn = draw(dataclasses.replace(axes, shape=tuple(half)))
    # What has values is cheaper to copy in NumPy.
    kernel = in_reach(ops.convert_to_tensor(drawn, dtype))
    for each in mirrors:
        kernel = _doubled(kernel, each)
    return kernel


def _doubled(kernel: Any, mirror: Mirror) -> Any:
    """Puts after each half of a run its mirror."""
    xp, shape, axis = namespace(kernel), tuple(kernel.shape), mirror.axis
    before, size, after = shape[:axis], shape[axis], shape[axis + 1 :]
    half = mirror.run // 2
    kernel = xp.reshape(kernel, (*before, size // half, half, *after))
    kernel = xp.concatenate([kernel, mirror.sign * kernel], axis=axis + 1)
    return xp.reshape(kernel, (*before, 2 * size, *after))
