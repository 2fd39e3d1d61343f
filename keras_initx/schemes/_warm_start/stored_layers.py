"""The layers of a model or a file, as a tree: what `warm_start` matches."""

import dataclasses
import re
from collections.abc import Callable, Iterator

import keras
import numpy as np


@dataclasses.dataclass
class StoredVariable:
    """One array of weights.

    Attributes:
        path: str. What a report calls it.
        name: str or None. The name of the variable, if it is known.
        shape: tuple of int.
        read: A function that returns the array, of float32, or of the dtype that it has
            if that is another one of NumPy's.
        is_float: bool.
        variable: keras.Variable or None. None in a file.
    """

    path: str
    name: str | None
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    is_float: bool = True
    variable: keras.Variable | None = None


@dataclasses.dataclass
class StoredLayer:
    """One layer: its own variables, and the layers below it.

    Attributes:
        name: str. The name of the layer; empty if the file does not say it.
        variables: dict. Its own variables, by the keys that Keras gives them in a file:
            `"0"`, `"1"`, ...
        children: dict. The layers below, by the places that Keras gives them in a file:
            the name of an attribute; or that of a list, and the class of a member with
            its number, as in `"layers/dense_1"`.
        layer: keras.layers.Layer or None. None in a file.
        rank: int or None. Its place among the members of a list, if that is known.
    """

    name: str
    variables: dict[str, StoredVariable] = dataclasses.field(default_factory=dict)
    children: dict[str, "StoredLayer"] = dataclasses.field(default_factory=dict)
    layer: keras.layers.Layer | None = None
    rank: int | None = None

    def walk(self) -> Iterator["StoredLayer"]:
        """This layer and all below it; the members of a list stand in their order."""
        yield self
        for _, child in sorted(self.children.items(), key=_place):
            yield from child.walk()

    def all_variables(self) -> Iterator[StoredVariable]:
        """The variables of this layer and of all below it."""
        for layer in self.walk():
            yield from layer.variables.values()


def without_name_of_model(model: StoredLayer) -> StoredLayer:
    """The tree, whose layers do not begin with the name of the model.

    Those of some networks do: `"convnext_tiny_stem"` is the `"stem"` of another one.
    """
    prefix = f"{model.name}_"
    for layer in model.walk():
        rest = layer.name.removeprefix(prefix)
        if model.name and layer is not model and not rest.isdigit():
            layer.name = rest
    return model


def container_of(key: str) -> str:
    """The list that a child is a member of; empty for an attribute."""
    return key.rpartition("/")[0]


def class_of(key: str) -> str:
    """The class of a member of a list, as its place in a file tells it."""
    return re.sub(r"_\d+$", "", key.rpartition("/")[2])


def number_of(name: str) -> int:
    """The number at the end of a name; 0 without one."""
    found = re.search(r"_(\d+)$", name)
    return int(found[1]) if found else 0


def is_automatic(key: str, name: str) -> bool:
    """Whether a member of a list has the name that Keras gives it by its class."""
    is_named = bool(name) and re.sub(r"_\d+$", "", name) != class_of(key)
    return bool(container_of(key)) and not is_named


def _place(item: tuple[str, StoredLayer]) -> tuple[str, int, str, int]:
    key, child = item
    rank = -1 if child.rank is None else child.rank
    return container_of(key), rank, class_of(key), number_of(key)
