"""The scale of data, feature by feature."""

import dataclasses
from typing import Any

import numpy as np

from keras_initx._model.mean_and_variance import mean_and_variance
from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.number_kinds import kind_of_numbers

# Below this share of its mean square, the variance of a feature is rounding.
_ROUNDING = 1e-12
# So many times as large as a typical feature: a network of two hidden layers that
# learns the others to an R2 of 0.96 gets to 0.82 then with Adam; SGD diverges from 30.
DOMINANT = 100.0
# In so many entries, evenly spaced, zeros are counted.
_COUNTED = 2**22


@dataclasses.dataclass
class Features:
    """What an input, or the data that reaches a kernel, is by its features.

    The features are the entries along the axis that a kernel sums over: columns of a
    table, pixels of a flattened image, channels of an image or a sequence. The root
    mean square (RMS) is that over all samples and positions.

    Attributes:
        count: int.
        constant: int. How many of them do not vary.
        rms: float. Of all of them.
        smallest_rms: float. Of those that are not zero throughout.
        median_rms: float. The same.
        largest_rms: float.
        largest: int. The place of the largest one.
        largest_share: float. Its share of the sum of squares.
        dominant: int. How many are more than 100 times as large as a typical one.
        dominant_share: float. The share of these in the sum of squares.
        typical_rms: float. The median over the features that vary, each where it is
            not zero; the lower one of two.
        variance_share: float. The share of the variance in the mean square: it is
            near 0 where all samples are nearly one.
        minimum: float.
        maximum: float.
        is_equal: bool. Whether all samples are equal.
        looks: str. `"pixels"`, `"ids"`, `"one id"` (the largest feature), or empty.
        leaves: tuple of int. The inputs of the model that these are made of, from 0.
        is_raw: bool. Whether they are an input as it was passed.
    """

    count: int
    constant: int
    rms: float
    smallest_rms: float
    median_rms: float
    largest_rms: float
    largest: int
    largest_share: float
    dominant: int
    dominant_share: float
    typical_rms: float
    variance_share: float
    minimum: float
    maximum: float
    is_equal: bool = False
    looks: str = ""
    leaves: tuple[int, ...] = ()
    is_raw: bool = False

    def __str__(self) -> str:
        words = "1 feature" if self.count == 1 else f"{self.count} features"
        if self.constant:
            words += f", {self.constant} constant"
        if self.count == 1:
            return f"{words}; root mean square {self.rms:.3g}."
        return (
            f"{words}; root mean square from {self.smallest_rms:.3g} over "
            f"{self.median_rms:.3g} (median) to {self.largest_rms:.3g}, the share of "
            f"the largest {100 * self.largest_share:.3g} %."
        )


def features_of(
    tensor: Any, axes: tuple[int, ...], spatial: int = 0
) -> Features | None:
    """The features of a tensor of numbers; None if it is empty or not finite.

    Args:
        tensor: A tensor or NumPy array, of any numbers.
        axes: tuple of int. Those that number the features.
        spatial: int. How many axes a kernel slides along.
    """
    raw = as_array(tensor)
    axes = tuple(sorted({axis % raw.ndim for axis in axes} - {0})) if raw.ndim else ()
    if raw.size == 0 or raw.ndim == 0 or raw.dtype.kind in "SUOc":
        return None
    array = raw if raw.dtype in ("float32", "float64") else raw.astype("float32")
    with np.errstate(all="ignore"):
        means, variances = (part.ravel() for part in mean_and_variance(array, axes))
        found = _by_feature(array, axes, means, variances)
    if found is None:
        return None
    found.is_equal = len(array) > 1 and bool((array[1:2] == array[:1]).all())
    found.is_equal = found.is_equal and bool((array == array[:1]).all())
    found.looks = kind_of_numbers(
        _table(array, axes),
        (found.minimum, found.maximum),
        found.largest if found.dominant == 1 else None,
        spatial,
        has_steps=array.ndim > 2,
    )
    return found


def _by_feature(
    array: np.ndarray, axes: tuple[int, ...], means: np.ndarray, variances: np.ndarray
) -> Features | None:
    squares = variances + means**2
    total = float(squares.sum())
    if not np.isfinite(total):
        return None
    roots = np.sqrt(squares)
    varies = variances > _ROUNDING * squares
    used = roots[roots > 0]
    # A feature that is seldom on is as large as where it is on.
    sizes = roots / np.sqrt(_shares(array, axes))
    typical = _lower_median(sizes[varies])
    is_dominant = (sizes > DOMINANT * typical) & (typical > 0)
    return Features(
        count=squares.size,
        constant=int((~varies).sum()),
        rms=float(np.sqrt(squares.mean())),
        smallest_rms=float(used.min()) if used.size else 0.0,
        median_rms=float(np.median(used)) if used.size else 0.0,
        largest_rms=float(roots.max()),
        largest=int(roots.argmax()),
        largest_share=float(squares.max() / total) if total else 0.0,
        dominant=int(is_dominant.sum()),
        dominant_share=float(squares[is_dominant].sum() / total) if total else 0.0,
        typical_rms=typical,
        variance_share=float(variances.sum() / total) if total else 0.0,
        minimum=float(array.min()),
        maximum=float(array.max()),
    )


def _shares(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The share of entries of each feature that are not zero; 1 if none is seen."""
    step = max(1, array.size // _COUNTED)
    others = tuple(axis for axis in range(array.ndim) if axis not in axes)
    shares = np.mean(array[::step] != 0, axis=others).ravel()
    return np.where(shares > 0, shares, 1.0)


def _lower_median(values: np.ndarray) -> float:
    return float(np.sort(values)[(values.size - 1) // 2]) if values.size else 0.0


def _table(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """One column for each feature."""
    columns = int(np.prod([array.shape[axis] for axis in axes]))
    return np.moveaxis(array, axes, range(-len(axes), 0)).reshape(-1, columns)
