"""The tree of a live model, with the places that its weights would have in a file.

Keras walks the attributes of each layer by their names, and a layer that it meets again
does not count. Members of lists are numbered by their class. A file says no more about
its weights; so a model is read in the same way.
"""

import functools
import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import stored, view
from keras_initx._keras import names_of_graphs
from keras_initx.schemes._warm_start.stored_layers import (
    StoredLayer,
    StoredVariable,
    without_name_of_model,
)


def model_layers(model: keras.layers.Layer) -> StoredLayer:
    """The tree of a model."""
    return without_name_of_model(_read(model, {id(model)}))


def plain(array: Any) -> np.ndarray:
    """An array of a dtype that NumPy has itself."""
    array = np.asarray(array)
    return array if array.dtype.kind in "fiub" else array.astype("float32")


def _read(layer: keras.layers.Layer, seen: set[int]) -> StoredLayer:
    node = StoredLayer(layer.name, _own_variables(layer), layer=layer)
    for attribute, value in _attributes(layer):
        for key, child, rank in _members(attribute, value, set()):
            if id(child) not in seen:
                seen.add(id(child))
                node.children[key] = _read(child, seen)
                node.children[key].rank = rank
    return node


def _own_variables(layer: keras.layers.Layer) -> dict[str, StoredVariable]:
    """What the layer itself writes into a file."""
    store: dict[str, Any] = {}
    if layer.built:
        layer.save_own_variables(store)
    found = {}
    for key, value in store.items():
        is_variable = isinstance(value, keras.Variable)
        if not (is_variable or ops.is_tensor(value) or isinstance(value, np.ndarray)):
            continue
        dtype = keras.backend.standardize_dtype(value.dtype)
        found[key] = StoredVariable(
            path=value.path if is_variable else f"{layer.path}/{key}",
            name=value.name if is_variable else None,
            shape=tuple(value.shape),
            read=functools.partial(values_of, value),
            is_float=keras.backend.is_float_dtype(dtype),
            variable=value if is_variable else None,
        )
    return found


def values_of(value: Any) -> np.ndarray:
    """A copy of what a variable or a tensor holds."""
    if isinstance(value, keras.Variable):
        value = view(stored(value))
    is_array = isinstance(value, np.ndarray)
    return plain(np.array(value if is_array else ops.convert_to_numpy(value)))


@functools.cache
def _names_of_every_layer() -> frozenset[str]:
    return frozenset({*dir(keras.layers.Layer()), *names_of_graphs()})


def _attributes(layer: keras.layers.Layer) -> Iterator[tuple[str, Any]]:
    """The attributes that a layer has more than every layer, private ones last."""
    if _is_graph(layer):
        yield "layers", layer.layers
    names = {*dir(layer)} - _names_of_every_layer()
    for name in sorted(names, key=lambda name: f"~{name}" if name[0] == "_" else name):
        if name.startswith("__"):
            continue
        try:
            value = getattr(layer, name)
        except Exception:
            # Keras passes over such a property too.
            continue
        yield name, value


def _is_graph(layer: keras.layers.Layer) -> bool:
    """Whether this is a Sequential or Functional model, whose layers come first."""
    is_functional = any(each.__name__ == "Functional" for each in type(layer).__mro__)
    return is_functional or isinstance(layer, keras.Sequential)


def _members(
    place: str, value: Any, seen: set[int]
) -> Iterator[tuple[str, keras.layers.Layer, int | None]]:
    """The layers in an attribute, with their places and ranks."""
    if isinstance(value, keras.layers.Layer):
        yield place, value, None
    elif isinstance(value, list | dict | tuple) and id(value) not in seen:
        seen.add(id(value))
        counts: dict[str, int] = {}
        members = value.values() if isinstance(value, dict) else value
        for rank, member in enumerate(list(members)):
            is_layer = isinstance(member, keras.layers.Layer)
            if not is_layer and not isinstance(member, list | dict | tuple):
                continue
            kind = snake_case(type(member).__name__) if is_layer else "container"
            counts[kind] = number = counts.get(kind, -1) + 1
            key = f"{place}/{kind}_{number}" if number else f"{place}/{kind}"
            for key_, layer, _ in _members(key, member, seen):
                yield key_, layer, rank


def snake_case(name: str) -> str:
    """The name of a class as Keras writes it into a file."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
