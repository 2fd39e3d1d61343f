"""What is measured of one activation."""

import dataclasses
import math
from typing import Any

import numpy as np

from keras_initx._backend import view
from keras_initx._backend.arithmetic import squares_fit
from keras_initx._model.mean_and_variance import mean_and_variance
from keras_initx._model.tensors import as_array

# Below this share of the mean square, a variance is the rounding of equal numbers. It
# is that of all units: where the terms of one unit cancel, their rounding stays.
_ROUNDING = 1e-12
# The inputs that are compared with each other.
_SAMPLES = 16
# So many entries of each, or a few more: the error of a cosine is then below 1 %.
_ENTRIES = 2**15
# The inputs whose sizes are compared, and so many entries of each: an error of 2 %.
_SIZED, _SIZED_ENTRIES = 256, 2**11


@dataclasses.dataclass(frozen=True)
class Statistics:
    """One pass over the memory of a tensor.

    Attributes:
        channels: tuple of int. The axes that number the units.
        units: int. How many these are.
        mean: float. The mean of all values.
        std: float. Their standard deviation.
        dead: float. The share of units that are zero for all samples and positions.
        is_constant: bool. Whether no unit varies over samples and positions, where
            there are several.
    """

    channels: tuple[int, ...]
    units: int
    mean: float
    std: float
    dead: float
    is_constant: bool


def statistics(tensor: Any, channels: tuple[int, ...]) -> Statistics:
    """The statistics of a tensor of floats whose `channels` number its units."""
    means, variances = mean_and_variance(tensor, channels)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = float(means.mean())
        std = float(np.sqrt(variances.mean() + means.var()))
        squares = variances + means**2
        is_constant = bool(np.all(variances <= _ROUNDING * squares.mean()))
        is_constant &= math.prod(tensor.shape) > means.size
    if not np.isfinite(std):
        mean = std = float("nan" if np.isnan(as_array(tensor)).any() else "inf")
    dead = float(np.mean(squares == 0))
    return Statistics(channels, means.size, mean, std, dead, is_constant)


def cosine_and_spread(tensor: Any, samples: int) -> tuple[float | None, float | None]:
    """How a tensor's values for different samples differ, in direction and in size.

    Args:
        tensor: A tensor whose first axis numbers the samples, each of which may have
            several entries there.
        samples: int. The number of samples.

    Returns:
        The mean cosine of the angles between them, and the largest norm over the
        smallest. Two Nones if there are no two samples that are not zero.
    """
    array = _rows_of_samples(tensor, samples)
    if array is None:
        return None, None
    with np.errstate(all="ignore"):
        rows = array.astype("float32", copy=False)
        gram = (rows @ rows.T).astype("float64")
        squares = np.diag(gram)
        if not squares_fit(squares):
            rows = array.astype("float64")
            gram = rows @ rows.T
            squares = np.diag(gram)
        is_used = squares > 0
        used = int(is_used.sum())
        if used < 2 or not np.isfinite(gram).all():
            return None, None
        norms = np.sqrt(squares[is_used])
        cosines = gram[np.ix_(is_used, is_used)] / np.outer(norms, norms)
    cosine = float((cosines.sum() - used) / (used * (used - 1)))
    if samples <= _SAMPLES:
        return cosine, float(norms.max() / norms.min())
    return cosine, _spread(tensor, samples)


def _spread(tensor: Any, samples: int) -> float | None:
    """The largest norm over the smallest, except those of zero."""
    array = _rows_of_samples(tensor, samples, _SIZED, _SIZED_ENTRIES)
    if array is None:
        return None
    with np.errstate(all="ignore"):
        largest = np.abs(array).max(axis=1).astype("float64")
        is_used = (largest > 0) & np.isfinite(largest)
        if not is_used.any():
            return None
        # Divided first, so that no square vanishes or overflows.
        scaled = array[is_used] / largest[is_used, None].astype("float32")
        norms = largest[is_used] * np.linalg.norm(scaled, axis=1)
    return float(norms.max() / norms.min())


def _rows_of_samples(
    tensor: Any, samples: int, most: int = _SAMPLES, most_entries: int = _ENTRIES
) -> np.ndarray | None:
    """The values of up to so many samples, one row for each."""
    entries, rest = divmod(tensor.shape[0], samples)
    if rest or entries == 0:
        return None
    count = min(samples, most)
    array = as_array(view(tensor)[: count * entries])
    array = array.reshape(count, -1, *array.shape[2 if entries == 1 else 1 :])
    # Of a large activation every second entry or so will do, along one axis.
    step = max(1, array[0].size // most_entries)
    return array[:, ::step].reshape(count, -1)


def share_outside(tensor: Any, lower: float | None, upper: float) -> float:
    """The share of values below `lower` or above `upper`."""
    array = as_array(tensor)
    with np.errstate(invalid="ignore"):
        count = np.count_nonzero(array > upper)
        if lower is not None:
            count += np.count_nonzero(array < lower)
    return float(count / array.size)


def are_alike(tensor: Any) -> bool:
    """Whether there are several entries along the last axis, and all are equal."""
    array = as_array(tensor).astype("float32")
    if array.shape[-1] < 2 or not np.isfinite(array).all():
        return False
    tolerance = 1e-6 * float(np.abs(array).max())
    return bool((np.ptp(array, axis=-1) <= tolerance).all())
