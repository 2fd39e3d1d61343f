"""Keras's own initializer for an argument whose weights exist already."""

import inspect
from typing import Any

import keras

from keras_initx._registry import registered
from keras_initx.saving._detached.config_walk import Place


def keras_initializer(place: Place, as_string: bool) -> Any:
    """The default of the holder for this argument, as a config or as a string.

    Where that is not one of Keras's: zeros for a bias, else Glorot's uniform one, which
    draws for any shape.
    """
    name = _default(place)
    if name is None:
        name = "zeros" if "bias" in place.key else "glorot_uniform"
    return name if as_string else keras.initializers.serialize(_made(name))


def _default(place: Place) -> str | None:
    """The string that is the default of the holder's argument, if Keras knows it."""
    for cls in place.holder.__mro__ if place.holder is not None else ():
        made_by = vars(cls).get("__init__")
        arguments = inspect.signature(made_by).parameters if made_by else {}
        if place.key not in arguments:
            continue
        default = arguments[place.key].default
        made = None
        if isinstance(default, str) and default not in registered():
            made = _made(default)
        if made is None or (_is_orthogonal(made) and _is_half(place)):
            return None
        return default
    return None


def _made(name: str) -> Any:
    try:
        return keras.initializers.get(name)
    except ValueError:
        return None


def _is_orthogonal(initializer: Any) -> bool:
    return isinstance(initializer, keras.initializers.Orthogonal)


def _is_half(place: Place) -> bool:
    """Whether the weights are in a dtype in which Keras draws no orthogonal matrix."""
    dtype = keras.dtype_policies.get(place.dtype).variable_dtype
    return dtype in ("float16", "bfloat16")
