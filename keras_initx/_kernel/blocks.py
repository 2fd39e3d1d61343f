"""How many blocks stand side by side in a kernel: gates, heads, groups."""

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes


def block_count(owner: str, axes: KernelAxes, blocks: int | None, axis: int) -> int:
    """The number of equal blocks along an axis; None takes it from the shape.

    A recurrent kernel `(*kernel_size, units, gates * units)` has as many as gates.

    Raises:
        ValueError: If there is no such axis, if the blocks do not fill it, or if the
            shape does not tell their number.
    """
    shape, rank = axes.shape, len(axes.shape)
    if not -rank <= axis < rank:
        raise _validate.error(
            owner,
            f"a tensor that has the axis {axis}",
            f"shape={shape} of rank {rank}",
            "Pass another `axis`, for example -1.",
        )
    if 0 in shape:
        return 1
    if blocks is not None:
        if shape[axis] % blocks:
            raise _validate.error(
                owner,
                f"a size of axis {axis} that is a multiple of `blocks`={blocks}",
                f"shape={shape}, where it is {shape[axis]}",
                "Pass the number of equal blocks side by side.",
            )
        return blocks
    units = axes.count(axes.input)
    is_recurrent = axes.output == (axis % rank,) and rank >= 2
    if not is_recurrent or shape[axis] % units:
        raise _validate.error(
            owner,
            "a recurrent kernel of shape (*kernel_size, units, gates * units)",
            f"shape={shape}" + (f" and axis={axis}" if axis != -1 else ""),
            "Pass it as `recurrent_initializer`; for other kernels pass `blocks` to "
            "`Blockwise`.",
        )
    return shape[axis] // units
