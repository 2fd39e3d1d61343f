"""Kernels that act on one position only: zero except at one tap."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_initx._backend.memory import aligned_zeros
from keras_initx._kernel.arrays import namespace
from keras_initx._kernel.axes import KernelAxes


def delta(matrices: Any, axes: KernelAxes, tap: str | Sequence[int] = "center") -> Any:
    """The kernel that has these matrices at one tap, and zeros at all others.

    Args:
        matrices: Of shape `(batch, in_channels, out_channels)`.
        axes: KernelAxes. What the axes of the kernel mean.
        tap: str or list of int. `"center"` is the tap `(k - 1) // 2` of each spatial
            axis, `"last"` is the tap `k - 1`. Or one tap for each spatial axis.
            Defaults to `"center"`.
    """
    kernel_size = axes.sizes(axes.spatial)
    taps: Any = tap if not isinstance(tap, str) else _taps(tap, kernel_size)
    batch, rows, columns = matrices.shape
    has_values = namespace(matrices) is np
    # One matrix for the whole batch is a view of it, which no framework takes over.
    is_view = has_values and not matrices.flags.writeable
    if math.prod(kernel_size) == 1 and not is_view:
        kernel = matrices
    elif has_values:
        kernel = aligned_zeros((batch, *kernel_size, rows, columns), matrices.dtype)
        kernel[(slice(None), *taps)] = matrices
    else:
        zeros = [
            (place, size - 1 - place)
            for place, size in zip(taps, kernel_size, strict=True)
        ]
        at_tap = ops.expand_dims(matrices, tuple(range(1, 1 + len(kernel_size))))
        kernel = ops.pad(at_tap, [(0, 0), *zeros, (0, 0), (0, 0)])
    return axes.kernel(kernel, axes.batch + axes.spatial + axes.input + axes.output)


def _taps(tap: str, kernel_size: tuple[int, ...]) -> list[int]:
    return [(size - 1) // 2 if tap == "center" else size - 1 for size in kernel_size]
