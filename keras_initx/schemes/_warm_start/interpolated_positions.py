"""Tables of positions, for longer sequences."""

import numpy as np


def for_positions(old: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The table with `size` positions along `axis`.

    A longer one is interpolated linearly, and its ends are those of the old one. A
    shorter one keeps the first positions, which mean what they meant.
    """
    count = old.shape[axis]
    if size <= count:
        return np.take(old, np.arange(size), axis)
    places = np.linspace(0, count - 1, size)
    lower = np.minimum(places.astype("int64"), max(count - 2, 0))
    shape = [1] * old.ndim
    shape[axis] = size
    weight = (places - lower).reshape(shape)
    upper = np.minimum(lower + 1, count - 1)
    rows = np.take(old, lower, axis) * (1 - weight) + np.take(old, upper, axis) * weight
    return rows.astype(old.dtype)
