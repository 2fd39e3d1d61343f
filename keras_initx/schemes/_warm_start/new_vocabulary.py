"""Tables of embeddings, for a larger vocabulary."""

from typing import Any

import numpy as np

from keras_initx.schemes._warm_start.draws import normal_numbers

# So many new rows are drawn at a time.
_ROWS = 1024


def for_vocabulary(old: np.ndarray, axis: int, size: int, seed: Any) -> np.ndarray:
    """The table with `size` entries along `axis`.

    The old ones are kept, the first ones if there is room for fewer. New ones are drawn
    from a normal distribution with the mean and the covariance of the old ones.
    """
    count = old.shape[axis]
    if size <= count:
        return np.take(old, np.arange(size), axis)
    rows = np.moveaxis(old, axis, 0).reshape(count, -1)
    new = _like(rows.astype("float64"), size - count, seed).astype(old.dtype)
    shape = [*np.moveaxis(old, axis, 0).shape]
    new = new.reshape([size - count, *shape[1:]])
    return np.concatenate([old, np.moveaxis(new, 0, axis)], axis)


def _like(rows: np.ndarray, count: int, seed: Any) -> np.ndarray:
    """Draws `mean + C^(1/2) z`; C is the covariance of the rows, z is N(0, I)."""
    mean = rows.mean(axis=0)
    root = _root_of_covariance(rows - mean)
    drawn = normal_numbers((count, root.shape[0]), seed)
    parts = [drawn[n : n + _ROWS] @ root for n in range(0, count, _ROWS)]
    return mean + np.concatenate(parts)


def _root_of_covariance(centred: np.ndarray) -> np.ndarray:
    """A matrix R with `R^T R = X^T X / n`, of as few rows as possible."""
    count, width = centred.shape
    if count <= width:
        return centred / np.sqrt(count)
    values, vectors = np.linalg.eigh(centred.T @ centred / count)
    return np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
