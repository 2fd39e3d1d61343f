"""The arrays that the inputs of a model consist of."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from keras_initx.diagnostics._measure.features import Features, features_of
from keras_initx.diagnostics._measure.rows import LayerRow


@dataclasses.dataclass
class Leaf:
    """One array of the inputs.

    Attributes:
        code: str. What gets it: `x`, or such as `x["age"]` or `x[0]`.
        rank: int. How many axes it has.
        features: Features or None. By its last axis; None where these are no numbers.
        row: LayerRow or None. Its row among the inputs; integers have none.
    """

    code: str = "x"
    rank: int = 2
    features: Features | None = None
    row: LayerRow | None = None


def leaves_of(batch: Any) -> list[Leaf]:
    """The arrays of a batch, in the order in which Keras flattens it."""
    codes = {id(value): code for code, value in _named("x", batch)}
    leaves = []
    for value in keras.tree.flatten(batch):
        if hasattr(value, "shape"):
            rank = len(value.shape)
            features = features_of(value, (rank - 1,))
            leaves.append(Leaf(codes.get(id(value), "x"), rank, features))
    return leaves


def part_of(code: str, key: Any) -> str:
    """The code that gets one of several arrays."""
    return f"{code}[{key!r}]".replace("'", '"')


def _named(code: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each array with the code that gets it."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _named(part_of(code, key), part)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _named(part_of(code, place), part)
    else:
        yield code, value
