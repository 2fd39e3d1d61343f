"""What of ours a model still has."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_initx._model.sublayers import sublayers
from keras_initx._registry import is_registered
from keras_initx.saving._detached.config_walk import Place, rewritten
from keras_initx.saving._detached.rebuild import quiet


def leftovers(model: keras.Model) -> list[str]:
    """Each object of ours that the layers hold or that the configs name: where, which.

    A layer of a user may make it in its own code, where no config shows it.
    """
    found = [
        (layer.path, _name(value))
        for layer in sublayers(model, with_cells=True)
        for value in _held(layer)
        if is_registered(value)
    ]
    names = {name for _, name in found}
    with quiet():
        config = keras.saving.serialize_keras_object(model)
    found += [(path, name) for path, name in _named(config) if name not in names]
    return [f"{path} ({name})" for path, name in dict.fromkeys(found)]


def _held(layer: keras.Layer) -> Iterator[Any]:
    """The layer itself if it is ours, else what it holds besides layers."""
    if is_registered(layer):
        yield layer
    else:
        for value in _flat(list(vars(layer).values())):
            if not isinstance(value, keras.Layer):
                yield value


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _name(value: Any) -> str:
    return getattr(value, "__name__", type(value).__name__)


def _named(config: Any) -> list[tuple[str, str]]:
    """What of ours a config names: the path, and the name of the class or function."""
    found = []

    def keep(target: Any, config: Any, place: Place) -> Any:
        found.append((place.path, target.__name__))
        return config

    rewritten(config, keep)
    return found
