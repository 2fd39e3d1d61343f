"""What numbers seem to be: pixels, numbers of words, or an id."""

import numpy as np

# So many numbers, evenly spaced, are looked at.
_ENTRIES = 2**12
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


def kind_of_numbers(
    table: np.ndarray,
    bounds: tuple[float, float],
    dominant: int | None,
    spatial: int,
    has_steps: bool,
) -> str:
    """`"pixels"`, `"ids"`, `"one id"` or nothing, by range and law.

    Args:
        table: np.ndarray. One column for each feature.
        bounds: tuple. The least and the largest number.
        dominant: int or None. The one column that is far larger than the others.
        spatial: int. How many axes a kernel slides along.
        has_steps: bool. Whether the rows are steps of samples.
    """
    least, most = bounds
    if least >= 0 and _BRIGHT < most <= PIXEL:
        return "pixels" if spatial > 1 or table.shape[1] >= _IMAGE else ""
    if most <= PIXEL or spatial > 1:
        return ""
    if dominant is not None:
        return "one id" if _is_id(_some(table[:, dominant])) else ""
    if least < 0 or not (table.shape[1] > 1 or has_steps):
        return ""
    rows = table[:: max(1, table.size // _ENTRIES)].astype("float64")
    return "ids" if _are_tokens(rows) else ""


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
