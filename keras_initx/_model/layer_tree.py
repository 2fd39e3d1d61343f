"""Where each layer stands in a model: below which layers, and under which name."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator

import keras

from keras_initx._keras import direct_sublayers


@dataclasses.dataclass(frozen=True)
class Place:
    """A layer and what it is within.

    Attributes:
        layer: keras.layers.Layer.
        parents: tuple of keras.layers.Layer. The outermost, the model, stands first.
        path: str. The names from below the model down to the layer. Automatic names,
            such as `dense_7`, count from the first one in the same parent: a model that
            is built a second time has the same paths.
    """

    layer: keras.layers.Layer
    parents: tuple[keras.layers.Layer, ...]
    path: str


def layer_tree(model: keras.layers.Layer) -> list[Place]:
    """The model and all layers below it, cells too, each at the first of its places."""
    return list(_below(Place(model, (), ""), {id(model)}))


def label(layer: keras.layers.Layer) -> str:
    """The path of a layer; its name if it has no variables, and so no path."""
    return layer.path or layer.name


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The variables of a layer that none of its sublayers has, seeds too."""
    below = {id(v) for each in direct_sublayers(layer) for v in each.variables}
    return [v for v in layer.variables if id(v) not in below]


def kept_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The states that a recurrent layer keeps from batch to batch.

    They are not among its variables.
    """
    found = keras.tree.flatten(getattr(layer, "states", None))
    return [state for state in found if isinstance(state, keras.Variable)]


def _below(place: Place, found: set[int]) -> Iterator[Place]:
    yield place
    counts: Counter[str] = Counter()
    for child in direct_sublayers(place.layer):
        name = _steady_name(child, counts)
        if id(child) not in found:
            found.add(id(child))
            path = f"{place.path}/{name}" if place.path else name
            yield from _below(Place(child, (*place.parents, place.layer), path), found)


def _steady_name(layer: keras.layers.Layer, counts: Counter[str]) -> str:
    """The name of a layer; the number of an automatic one counts its siblings."""
    name = without_number(layer.name, type(layer).__name__)
    counts[name] += 1
    return name if counts[name] == 1 else f"{name}_{counts[name] - 1}"


def without_number(name: str, of_class: str) -> str:
    """An automatic name without its number, another name as it is."""
    base = re.sub(r"_\d+$", "", name)
    # `Bidirectional` names its two layers after the one that it got.
    own = re.sub("^(forward|backward)_", "", base).replace("_", "")
    return base if own == of_class.lower() else name
