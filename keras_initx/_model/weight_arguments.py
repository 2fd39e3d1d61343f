"""How layers call `add_weight`."""

from typing import Any

import keras

_POSITIONAL = ("shape", "initializer", "dtype")


def weight_arguments(
    layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any] | None:
    """The arguments of a call of `add_weight` by their names, with its dtype.

    None for a call that Keras refuses.
    """
    given = dict(zip(_POSITIONAL, args, strict=False))
    is_shape = not isinstance(given.get("shape"), str)
    if len(args) > len(_POSITIONAL) or given.keys() & kwargs.keys() or not is_shape:
        return None
    arguments = {**given, **kwargs}
    if arguments.get("dtype") is None:
        arguments["dtype"] = getattr(layer, "variable_dtype", None)
    if arguments["dtype"] is None:
        return None
    arguments["dtype"] = keras.backend.standardize_dtype(arguments["dtype"])
    return arguments


def has_default_initializer(arguments: dict[str, Any]) -> bool:
    """Whether Keras would draw this weight as it draws a kernel, for lack of a word."""
    is_float = keras.backend.is_float_dtype(arguments["dtype"])
    return arguments.get("initializer") is None and is_float
