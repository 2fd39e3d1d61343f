"""The classes and functions of a user that a model holds."""

import types
from typing import Any

import keras


def custom_objects(model: keras.Model) -> dict[str, Any]:
    """Those that Keras may have to find by name, so that they need no registration."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    waiting: list[Any] = [model]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set):
            # A list of TensorFlow's own would refuse `+=`.
            waiting.extend(value)
        elif isinstance(value, types.FunctionType):
            _add(found, value)
        elif hasattr(type(value), "get_config"):
            _add(found, type(value))
            waiting.extend(vars(value).values())
    return found


def _add(found: dict[str, Any], value: Any) -> None:
    name = value.__name__
    is_of_keras = value.__module__.split(".")[0] == "keras"
    is_registered = keras.saving.get_registered_name(value) != name
    if not is_of_keras and not is_registered and name.isidentifier():
        found[name] = value
