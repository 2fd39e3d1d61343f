"""What the inputs of a model are like."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.tensors import is_float_tensor
from keras_initx.diagnostics._measure.leaves import Leaf, leaves_of
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.statistics import cosine_and_spread, statistics


def samples_of(owner: str, batch: Any) -> int:
    """The number of samples; raises where there are none."""
    leaves = _arrays(batch)
    if not leaves or not leaves[0].shape:
        raise _validate.error(
            owner,
            "a batch of inputs",
            f"x of type {type(batch).__name__}",
            "Pass an array whose first axis numbers the samples.",
        )
    return int(leaves[0].shape[0])


def input_rows(batch: Any, samples: int) -> tuple[list[LayerRow], list[Leaf]]:
    """A row for each input of floats, and all arrays."""
    rows: list[LayerRow] = []
    leaves = leaves_of(batch)
    for leaf, array in zip(leaves, _arrays(batch), strict=True):
        tensor = keras.ops.convert_to_tensor(array)
        if is_float_tensor(tensor):
            row = _row(tensor, f"input {len(rows) + 1}", samples)
            row.features, leaf.row = leaf.features, row
            rows.append(row)
    if len(rows) == 1:
        rows[0].path = "input"
    return rows, leaves


def _arrays(batch: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(batch) if hasattr(leaf, "shape")]


def _row(tensor: Any, path: str, samples: int) -> LayerRow:
    found = statistics(tensor, (len(tensor.shape) - 1,))
    row = LayerRow(path, "Input", calls=0)
    row.mean, row.std, row.dead = found.mean, found.std, found.dead
    row.cosine, row.spread = cosine_and_spread(tensor, samples)
    return row
