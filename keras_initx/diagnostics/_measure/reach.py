"""What a convolution with strides reads of its input, or writes of its output.

The taps of a convolution with stride s, along one axis, read the positions
`s * output + dilation * tap`. The remainders `dilation * tap % s` of the taps that are
not zero are what it reads of each s positions. A transposed convolution writes them.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable

import keras
import numpy as np

from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.convolutions import CONVOLUTIONS, TRANSPOSED


@dataclasses.dataclass(frozen=True)
class Reach:
    """The positions of an input that a kernel reads, or of an output that it writes.

    Attributes:
        share: float. The share of them, far from the borders.
        full_share: float. The share for a kernel without zeros.
        strides: tuple of int.
        is_transposed: bool. Whether it writes.
        remedy: str. An initializer without zeros that keeps the scale of the signal.
    """

    share: float
    full_share: float
    strides: tuple[int, ...]
    is_transposed: bool
    remedy: str


def reach_of(
    layer: keras.layers.Layer, value: np.ndarray, axes: KernelAxes
) -> Reach | None:
    """The reach of a kernel; None without strides, or where all of it is zero."""
    if not isinstance(layer, CONVOLUTIONS):
        return None
    strides, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    sizes = axes.sizes(axes.spatial)
    # The pointwise kernel of a separable convolution comes after the strides.
    if math.prod(strides) == 1 or math.prod(sizes) == 1:
        return None
    others = tuple(axis for axis in range(value.ndim) if axis not in axes.spatial)
    taps = np.argwhere(np.any(value != 0, axis=others))
    if not len(taps):
        return None
    every = itertools.product(*map(range, sizes))
    is_transposed = isinstance(layer, TRANSPOSED)
    return Reach(
        _share(taps.tolist(), strides, dilation),
        _share(every, strides, dilation),
        strides,
        is_transposed,
        _remedy(axes, math.sqrt(math.prod(strides)) if is_transposed else 1.0),
    )


def _share(
    taps: Iterable[Iterable[int]], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> float:
    """The share of the positions that these taps reach."""
    reached = {
        tuple(d * t % s for t, s, d in zip(tap, strides, dilation, strict=True))
        for tap in taps
    }
    return len(reached) / math.prod(strides)


def _remedy(axes: KernelAxes, gain: float) -> str:
    """Orthogonal by the axes of this kernel.

    Each output of a transposed convolution sums over a part of the taps only: over one
    of as many as the product of the strides. The gain makes up for it.
    """
    rank = len(axes.shape)
    arguments = {
        "gain": f"{gain:.4g}" if gain != 1 else "",
        "groups": str(axes.groups) if axes.groups > 1 else "",
        "batch_axes": str([a - rank for a in axes.batch]) if axes.batch else "",
    }
    if not axes.batch and axes.output != (rank - 1,):
        arguments["input_axes"] = str([a - rank for a in axes.input])
        arguments["output_axes"] = str([a - rank for a in axes.output])
    written = ", ".join(f"{name}={text}" for name, text in arguments.items() if text)
    return f"keras_initx.HaarOrthogonal({written})" if written else '"haar_orthogonal"'
