"""The batches that a scheme or a report looks at."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx import _validate


def one_batch(owner: str, data: Any, count: int) -> Any:
    """The inputs of the first `count` batches of a data set, joined; or one batch.

    A data set is anything that can be iterated, except a tensor, array, tuple, list or
    dict: a `PyDataset`, a `tf.data.Dataset`, a `DataLoader`, a generator. Its elements
    are `x`, `(x, y)` or `(x, y, sample_weight)`.
    """
    if is_data_set(data):
        return join(owner, [x for x, _, _ in _elements(owner, data, count)])
    if count > 1:
        raise _validate.error(
            owner,
            "a data set where `batches` is above 1",
            f"batches={count}, x of type {type(data).__name__}",
            "Pass a generator, `tf.data.Dataset`, `DataLoader` or `PyDataset`; or one "
            "larger batch.",
        )
    return _batch(owner, data)


def one_labelled_batch(
    owner: str, x: Any, y: Any = None, sample_weight: Any = None
) -> tuple[Any, Any, Any]:
    """Inputs, targets and sample weights: each as given, or from a data set.

    The first batch of a data set is taken. What is given replaces that part of it.
    """
    if is_data_set(x):
        ((x, own_y, own_weight),) = _elements(owner, x, 1)
        y = own_y if y is None else y
        sample_weight = own_weight if sample_weight is None else sample_weight
    y, sample_weight = (
        keras.tree.map_structure(_of_this_backend, part) for part in (y, sample_weight)
    )
    return _batch(owner, x), y, sample_weight


def training_batch(owner: str, data: Any, count: int) -> Any:
    """What a training step gets: the first `count` elements of a data set, joined.

    What is no data set is one such element itself.
    """
    if is_data_set(data):
        elements = _elements(owner, data, count)
        return join(
            owner, [keras.utils.pack_x_y_sample_weight(*each) for each in elements]
        )
    return one_batch(owner, data, count)


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


def copied(batch: Any) -> Any:
    """A copy of the batch, which does not change when the original does."""
    return keras.tree.map_structure(_copied, batch)


def is_data_set(data: Any) -> bool:
    """Whether batches are taken from this, and it is not a batch itself."""
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


def _batch(owner: str, data: Any) -> Any:
    """One batch, of arrays and of tensors of this backend."""
    batch = keras.tree.map_structure(_of_this_backend, data)
    leaves = [leaf for leaf in keras.tree.flatten(batch) if leaf is not None]
    for leaf in leaves:
        if not hasattr(leaf, "shape") or _has_objects(leaf):
            kind = f"an element of type {type(leaf).__name__}"
            if _has_objects(leaf):
                kind = "an array of dtype object"
            raise _validate.error(
                owner,
                "a batch of inputs: an array or tensor whose first axis counts the "
                "samples, or a dict, tuple or list of these",
                f"x of type {type(data).__name__} with {kind}",
                "Pass for example np.asarray(x, 'float32').",
            )
    return batch


def _has_objects(leaf: Any) -> bool:
    """Whether this is an array of Python objects, and not all of them strings."""
    return (
        isinstance(leaf, np.ndarray)
        and leaf.dtype == object
        and not all(isinstance(member, str | bytes) for member in leaf.flat)
    )


def _copied(leaf: Any) -> Any:
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
