"""The scale of data, feature by feature."""

import dataclasses
from typing import Any

import numpy as np

from keras_initx._model.mean_and_variance import mean_and_variance
from keras_initx._model.tensors import as_array

# Below this share of its mean square, the variance of a feature is rounding.
_ROUNDING = 1e-12
# So many times as large as a typical feature: a network of two hidden layers that
# learns the others to an R2 of 0.96 gets to 0.82 then with Adam; SGD diverges from 30.
DOMINANT = 100.0
# Of these many entries, evenly spaced, the kind of the numbers is told.
_ENTRIES, _COUNTED = 2**12, 2**22
# Kolmogorov's limit for one sample in a hundred of a uniform law, times sqrt(samples).
_UNIFORM = 1.63
_FEW_SAMPLES = 32
# A row of so many columns may be an image.
_IMAGE = 64
# The largest number of a pixel, and what the brightest one of a batch passes.
PIXEL, _BRIGHT = 255, 100
# The largest lag-1 correlation of tokens side by side.
_SMOOTH = 0.5
# The median of word numbers is below this share of the largest one.
_FIRST = 0.1
# The columns of tokens have one law: their geometric means differ by less,
# and by four standard errors.
_ALIKE, _ERRORS = 3.0, 4


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
    found.looks = _looks(array, axes, spatial, found)
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


def _looks(
    array: np.ndarray, axes: tuple[int, ...], spatial: int, found: Features
) -> str:
    """What the numbers seem to be, by their range and their law."""
    is_picture = spatial > 1 or found.count >= _IMAGE
    if found.minimum >= 0 and _BRIGHT < found.maximum <= PIXEL:
        return "pixels" if is_picture else ""
    if found.maximum <= PIXEL or spatial > 1:
        return ""
    columns = int(np.prod([array.shape[axis] for axis in axes]))
    table = np.moveaxis(array, axes, range(-len(axes), 0)).reshape(-1, columns)
    if found.dominant == 1:
        return "one id" if _is_id(_some(table[:, found.largest])) else ""
    is_sequence = found.minimum >= 0 and (columns > 1 or array.ndim > 2)
    rows = table[:: max(1, table.size // _ENTRIES)].astype("float64")
    return "ids" if is_sequence and _are_tokens(rows) else ""


def _some(values: np.ndarray) -> np.ndarray:
    """These numbers, or of many some that are evenly spaced."""
    return values[:: max(1, values.size // _ENTRIES)].astype("float64")


def _is_id(values: np.ndarray) -> bool:
    """Whether these are integers from near 0, spread evenly up to a large one."""
    ordered = np.sort(values)
    count, last = ordered.size, ordered[-1]
    if count < _FEW_SAMPLES or ordered[0] < 0 or last <= PIXEL:
        return False
    if (ordered != np.round(ordered)).any():
        return False
    distance = np.abs(ordered / last - (np.arange(count) + 0.5) / count).max()
    return bool(distance + 0.5 / count < _UNIFORM / np.sqrt(count))


def _are_tokens(table: np.ndarray) -> bool:
    """Whether all columns are integers of one law, and not a smooth signal.

    The law is even, or that of words: most are among the first. Zeros may be padding.
    """
    used = table[table != 0]
    if used.size < _FEW_SAMPLES or (used != np.round(used)).any():
        return False
    counts = np.maximum(1, np.count_nonzero(table, axis=0))
    # Geometric means: a law of words has no mean square.
    scales = np.log1p(table).sum(axis=0) / counts
    error = np.log1p(used).std() / np.sqrt(counts.min())
    if not np.ptp(scales) < np.log(_ALIKE) + _ERRORS * error:
        return False
    beside = table.ravel()
    is_smooth = abs(np.corrcoef(beside[:-1], beside[1:])[0, 1]) > _SMOOTH
    is_of_words = table.shape[1] > 1 and np.median(used) < _FIRST * used.max()
    return not is_smooth and (is_of_words or _is_id(_some(used)))
