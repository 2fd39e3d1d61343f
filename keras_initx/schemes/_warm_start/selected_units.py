"""Units at even distances, for a smaller layer."""

import numpy as np


def evenly_spaced(old: int, new: int) -> np.ndarray:
    """`new` of `old` indices, at even distances (Xu et al. 2024, uniform selection)."""
    if old % new == 0:
        return np.arange(new) * (old // new)
    return np.rint(np.linspace(0, old - 1, new)).astype("int64")


def selected(old: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array of this smaller shape.

    Raises:
        ValueError: If an axis of `shape` is larger.
    """
    for axis, (before, after) in enumerate(zip(old.shape, shape, strict=True)):
        if after > before:
            raise ValueError("a larger axis")
        if after < before:
            old = np.take(old, evenly_spaced(before, after), axis)
    return old
