"""Random inputs on which a linear function is known by its values.

A function is linear (affine, to be exact) if it takes the sum a + b - c of any three
points to the same sum of its values. So some of the samples are sums of others.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend.seeds import split
from keras_initx._kernel.random import normal
from keras_initx._model.tensors import is_float_tensor

# A unit with a rectifier looks linear on one sum in five, on all in one of ten million.
_POINTS, _SUMS = 6, 10
# What rounding may do, relative to the spread of the values: bfloat16 computes with
# errors of 0.4 %, float16 and float32 on some GPUs with errors of 0.05 %.
_TOLERANCES = {"float16": 0.03, "bfloat16": 0.15}
_TOLERANCE = 0.01
# The same, relative to the values themselves.
_ROUNDINGS = {"float16": 2.0**-8, "bfloat16": 2.0**-5}
_ROUNDING = 2.0**-17


class Samples:
    """Random inputs, and the checks of what a model makes of them.

    Args:
        like: arrays and tensors, as the model is called with. Their shapes count.
        seed: int.
        scale: float. The standard deviation. Defaults to `1.0`.
    """

    def __init__(self, like: Any, seed: int, scale: float = 1.0) -> None:
        self.count = _POINTS + _SUMS
        self._sums = _sums(_POINTS, _SUMS)
        leaves = keras.tree.flatten(like)
        seeds = split(seed, len(leaves))
        made = [
            None if leaf is None else self._inputs(leaf.shape[1:], each) * scale
            for leaf, each in zip(leaves, seeds, strict=True)
        ]
        self.inputs = keras.tree.pack_sequence_as(like, made)

    def _inputs(self, shape: Any, seed: Any) -> np.ndarray:
        points = np.asarray(normal((_POINTS, *shape), "float32", seed))
        sums = np.tensordot(self._sums, points, 1)
        return np.concatenate([points, sums])

    def values(self, tensor: Any) -> "Values | None":
        """The numbers of a tensor of floats, one row for each sample.

        None if there are no such rows, or if a number is not finite.
        A layer that counts steps as samples has several rows for each.
        """
        if not is_float_tensor(tensor) or not tensor.shape:
            return None
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        rows = int(tensor.shape[0])
        if rows % self.count:
            return None
        array = ops.convert_to_numpy(ops.cast(tensor, "float32"))
        if not np.isfinite(array).all():
            return None
        array = array.reshape(self.count, rows // self.count, *array.shape[1:])
        return Values(array, self._sums, dtype)


class Values:
    """What one tensor is on all samples; its axes are counted from the end."""

    def __init__(self, array: np.ndarray, sums: np.ndarray, dtype: str) -> None:
        self._array, self._sums = array, sums
        self.shape = array.shape[2:]
        self._tolerance = _TOLERANCES.get(dtype, _TOLERANCE)
        self._rounding = _ROUNDINGS.get(dtype, _ROUNDING) * _largest(array)

    @property
    def deviation(self) -> float:
        """How far from a linear function, relative to the spread of the values."""
        return self._deviation(self._array)[0]

    @property
    def is_linear(self) -> bool:
        """Whether the tensor is a linear function of the inputs, up to rounding."""
        return self._is_linear(self._array)

    def is_paired(self, axis: int, run: int) -> bool:
        """Whether the differences of the halves of each run are linear functions."""
        first, second = self._halves(axis, run)
        return self._is_linear(first - second)

    def is_mirrored(self, axis: int, run: int) -> bool:
        """Whether the second half of each run is the negative of the first one."""
        first, second = self._halves(axis, run)
        return _largest(first + second) <= (
            self._tolerance * _largest(first) + self._rounding
        )

    def _halves(self, axis: int, run: int) -> tuple[np.ndarray, np.ndarray]:
        array = np.moveaxis(self._array, axis, -1)
        array = array.reshape(*array.shape[:-1], -1, 2, run // 2)
        return array[..., 0, :], array[..., 1, :]

    def _is_linear(self, array: np.ndarray) -> bool:
        deviation, spread = self._deviation(array)
        return deviation * spread <= self._tolerance * spread + self._rounding

    def _deviation(self, array: np.ndarray) -> tuple[float, float]:
        """The largest deviation, relative to the spread, and the spread."""
        points = array[: self._sums.shape[1]]
        # Row by row, because images are large.
        spread = max(_largest(row - array[0]) for row in array[1:])
        deviation = max(
            _largest(row - np.tensordot(weights, points, 1))
            for row, weights in zip(array[len(points) :], self._sums, strict=True)
        )
        return (deviation / spread if spread else 0.0), spread


def _largest(array: np.ndarray) -> float:
    """The largest absolute value."""
    return float(np.abs(array).max()) if array.size else 0.0


def _sums(points: int, count: int) -> np.ndarray:
    """Different sums a + b - c of three different points."""
    sums = np.zeros((count, points), "float32")
    for row in range(count):
        step = 1 + row // points
        for place, weight in ((0, 1), (1, 1), (2, -1)):
            sums[row, (row + place * step) % points] = weight
    return sums
