"""The decorators that make a class known: to Keras, or to readers only."""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx._keras import add_id


def register(namespace: str, *ids: str) -> Callable[[Any], Any]:
    """Registers a class or function as `"keras_initx>Name"` and under its short ids.

    A string then works wherever Keras takes one, and a saved model finds the class
    again. Classes are registered, not instances: Keras makes a new instance of what it
    finds.

    Args:
        namespace: str. The public folder, for example `"initializers"`. The class
            reports it as its module, so that users see the path that they import from.
        *ids: str. The short ids, for example `"orthogonal_delta"`.
    """

    def decorate(target: Any) -> Any:
        target.__module__ = f"keras_initx.{namespace}"
        keras.saving.register_keras_serializable("keras_initx")(target)
        for short_id in ids:
            keras.saving.get_custom_objects()[short_id] = target
            if namespace in ("activations", "constraints"):
                add_id(namespace, short_id, target)
        return target

    return decorate


def public(namespace: str) -> Callable[[type], type]:
    """Gives a class that no file names (a callback) its public module."""

    def decorate(cls: type) -> type:
        cls.__module__ = f"keras_initx.{namespace}"
        return cls

    return decorate
