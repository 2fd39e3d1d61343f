"""The batches that a scheme or a report looks at."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx import _validate


def one_batch(owner: str, data: Any, count: int) -> Any:
    """The inputs of the first `count` batches of a data set, joined; or one batch.

    A data set is what can be iterated and is no tensor, array, tuple, list or dict: a
    `PyDataset`, a `tf.data.Dataset`, a `DataLoader`, a generator. Its elements are `x`,
    `(x, y)` or `(x, y, sample_weight)`.
    """
    if _is_data_set(data):
        return join(owner, [x for x, _, _ in _elements(owner, data, count)])
    if count > 1:
        raise _validate.error(
            owner,
            "a data set where `batches` is above 1",
            f"batches={count}, x of type {type(data).__name__}",
            "Pass a generator, `tf.data.Dataset`, `DataLoader` or `PyDataset`; or one "
            "larger batch.",
        )
    return keras.tree.map_structure(_of_this_backend, data)


def one_labelled_batch(
    owner: str, x: Any, y: Any = None, sample_weight: Any = None
) -> tuple[Any, Any, Any]:
    """Inputs, targets and sample weights: the given ones, or a data set's first."""
    if _is_data_set(x):
        ((x, own_y, own_weight),) = _elements(owner, x, 1)
        if y is None:
            y, sample_weight = own_y, own_weight
    x, y, sample_weight = (
        keras.tree.map_structure(_of_this_backend, part)
        for part in (x, y, sample_weight)
    )
    return x, y, sample_weight


def join(owner: str, batches: list[Any]) -> Any:
    """One batch that has all samples of these."""
    batches = [keras.tree.map_structure(_of_this_backend, batch) for batch in batches]
    if len(batches) == 1:
        return batches[0]
    try:
        return keras.tree.map_structure(
            lambda *parts: ops.concatenate(parts) if parts[0] is not None else None,
            *batches,
        )
    except Exception as error:
        shapes = [
            keras.tree.map_structure(lambda leaf: tuple(leaf.shape), batch)
            for batch in batches
        ]
        raise _validate.error(
            owner,
            "batches that can be joined, if `batches` is above 1",
            f"the shapes {shapes}",
            "Pad them to one length, or use `batches=1`.",
        ) from error


def kept(batch: Any) -> Any:
    """The batch, in memory that nobody writes to again."""
    return keras.tree.map_structure(_kept, batch)


def _is_data_set(data: Any) -> bool:
    """Whether this is no batch, but what batches are taken from."""
    if isinstance(data, keras.utils.PyDataset):
        return True
    is_batch = hasattr(data, "shape") or isinstance(data, tuple | list | dict | str)
    return not is_batch and hasattr(data, "__iter__")


def _elements(owner: str, data: Any, count: int) -> list[tuple[Any, Any, Any]]:
    """The first `count` elements of a data set, or all if it has fewer."""
    steps = range(len(data)) if isinstance(data, keras.utils.PyDataset) else None
    elements = data if steps is None else (data[step] for step in steps)
    found = [
        keras.utils.unpack_x_y_sample_weight(element)
        for element in itertools.islice(elements, count)
    ]
    if not found:
        raise _validate.error(
            owner, "at least one batch", f"{data!r}, which is empty", "Pass data."
        )
    return found


def _kept(leaf: Any) -> Any:
    """A copy of what may change: arrays, and tensors of PyTorch."""
    if isinstance(leaf, np.ndarray):
        return leaf.copy()
    return leaf.clone() if hasattr(leaf, "clone") else leaf


def _of_this_backend(leaf: Any) -> Any:
    """A tensor of another framework as NumPy; anything else as it is."""
    if leaf is None or ops.is_tensor(leaf) or isinstance(leaf, np.ndarray):
        return leaf
    if hasattr(leaf, "shape"):
        return np.asarray(leaf)
    return leaf
