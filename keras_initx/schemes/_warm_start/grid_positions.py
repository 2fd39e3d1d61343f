"""Tables of positions on a square grid of patches, for images of another size."""

import math

import numpy as np


def on_larger_grid(old: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The table for a grid of `size` patches, or of `size - 1` and a class token.

    The grid is interpolated by cubic polynomials (Keys 1981, a = -1/2) along both of
    its axes. The class token is kept.

    Raises:
        ValueError: If the numbers of patches are not square.
    """
    table = np.moveaxis(old, axis, 0)
    before, after = grid_sizes(len(table), size)
    tokens = len(table) - before**2
    grid = table[tokens:].reshape(before, before, -1).astype("float64")
    weights = cubic_weights(before, after)
    grid = np.einsum("ai,bj,ijd->abd", weights, weights, grid, optimize=True)
    grid = grid.reshape(after**2, *table.shape[1:]).astype(old.dtype)
    return np.moveaxis(np.concatenate([table[:tokens], grid]), 0, axis)


def grid_sizes(old: int, new: int) -> tuple[int, int]:
    """The sides of two grids with so many positions; both have a class token, or none.

    Raises:
        ValueError: If there are no such grids.
    """
    for tokens in (1, 0):
        sides = [math.isqrt(max(count - tokens, 0)) for count in (old, new)]
        if all(
            side > 1 and side**2 == count - tokens
            for side, count in zip(sides, (old, new), strict=True)
        ):
            return sides[0], sides[1]
    raise ValueError("no square grids")


def cubic_weights(old: int, new: int) -> np.ndarray:
    """The matrix that interpolates `old` samples at the centres of `new` ones."""
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    # A smaller grid takes the mean over a wider field, so that nothing is skipped.
    width = max(1.0, old / new)
    weights = _cubic((centres[:, None] - np.arange(old)) / width)
    return weights / weights.sum(axis=1, keepdims=True)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys's kernel with a = -1/2."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d**2 + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))
