"""What makes a class known, to Keras or to readers only, and finds it by its name."""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx._keras import add_id

# What saved models may name, and by which name: "keras_initx>Name" and short ids.
_REGISTERED: dict[str, Any] = {}


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
        _REGISTERED[keras.saving.get_registered_name(target)] = target
        _REGISTERED.update(dict.fromkeys(ids, target))
        for short_id in ids:
            keras.saving.get_custom_objects()[short_id] = target
            if namespace in ("activations", "constraints"):
                add_id(namespace, short_id, target)
        return target

    return decorate


def registered() -> dict[str, Any]:
    """Each class and function that saved models may name, by full name and short id."""
    return dict(_REGISTERED)


def is_registered(value: Any) -> bool:
    """Whether this is a class or function of ours that is registered, or an instance.

    Classes of users that derive from ours are not.
    """
    targets = {id(target) for target in _REGISTERED.values()}
    return id(value) in targets or id(type(value)) in targets


def namespace_of(target: Any) -> str:
    """The public folder of a registered class or function."""
    return target.__module__.partition(".")[2]


def public(namespace: str) -> Callable[[type], type]:
    """Gives a class that no file names (a callback) its public module."""

    def decorate(cls: type) -> type:
        cls.__module__ = f"keras_initx.{namespace}"
        return cls

    return decorate
