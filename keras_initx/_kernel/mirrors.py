"""Kernels whose halves mirror each other."""

from typing import Any

from keras_initx._kernel.arrays import namespace


def mirrored(kernel: Any, axis: int, run: int, sign: int = -1) -> Any:
    """A kernel twice as long along one axis: after each half of a run, its mirror.

    Args:
        kernel: An array or a tensor. Half of the kernel: the first half of each run.
        axis: int. Counted from 0.
        run: int. How many neighbours along the axis of the result are mirrored in
            halves. An even divisor of its size there.
        sign: int. -1 for a second half that is the negative of the first, 1 for one
            that is equal to it. Defaults to `-1`.
    """
    xp, shape = namespace(kernel), tuple(kernel.shape)
    before, size, after = shape[:axis], shape[axis], shape[axis + 1 :]
    half = run // 2
    kernel = xp.reshape(kernel, (*before, size // half, half, *after))
    kernel = xp.concatenate([kernel, sign * kernel], axis=axis + 1)
    return xp.reshape(kernel, (*before, 2 * size, *after))
