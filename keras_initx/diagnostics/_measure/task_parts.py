"""The parts of outputs and targets that are looked at, in NumPy."""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_initx._model.tensors import as_array

# So many numbers of an output are looked at: they take less time than a pass.
_MOST = 2**20


def array_of(value: Any) -> np.ndarray:
    """A tensor, array, list or number in NumPy; bfloat16 as float32."""
    if not isinstance(value, np.ndarray):
        value = as_array(ops.convert_to_tensor(value))
    return value if value.dtype.kind in "biufUSO" else value.astype("float32")


def steps_of(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Which samples of an output are looked at, and which of its further positions."""
    steps = []
    left = math.prod(shape)
    for size in shape[: max(1, len(shape) - 1)]:
        step = max(1, min(size, math.ceil(left / _MOST)))
        steps.append(slice(None, None, step))
        left = left * math.ceil(size / step) // max(size, 1)
    return tuple(steps) if shape else ()


def beside(
    array: np.ndarray, steps: tuple[slice, ...], shape: tuple[int, ...]
) -> np.ndarray:
    """The part of targets or weights that belongs to these parts of an output."""
    axes = zip(array.shape, steps, shape, strict=False)
    own = (step if size == other else slice(None) for size, step, other in axes)
    return array[tuple(own)]


def weights_of(
    targets: np.ndarray, sample_weight: Any, mask: Any, ignored: Any
) -> np.ndarray | None:
    """How much each target counts; None if all count alike."""
    found: np.ndarray | None = None
    for part in (sample_weight, mask):
        if part is None:
            continue
        part = array_of(part).astype("float32")
        if part.ndim > 1 and part.shape[-1] == 1:
            part = part[..., 0]
        found = part if found is None else _times(found, part)
    if ignored is not None:
        counts = (targets != ignored).astype("float32")
        if counts.ndim > 1 and counts.shape[-1] == 1:
            counts = counts[..., 0]
        found = counts if found is None else _times(found, counts)
    return found


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two arrays of weights, of which one may have fewer axes."""
    rank = max(a.ndim, b.ndim)
    a, b = (part.reshape(part.shape + (1,) * (rank - part.ndim)) for part in (a, b))
    return a * b
