"""Which arguments of layers name the initializer of what, and what Keras takes."""

import inspect
from typing import Any

import keras

# The argument of `default_initializers`, and the default of Keras's layers, by the
# argument of a layer.
_ROLES = {
    "kernel_initializer": ("kernel", "glorot_uniform"),
    "depthwise_initializer": ("kernel", "glorot_uniform"),
    "pointwise_initializer": ("kernel", "glorot_uniform"),
    "bias_initializer": ("bias", "zeros"),
    "recurrent_initializer": ("recurrent", "orthogonal"),
    "embeddings_initializer": ("embeddings", "uniform"),
}


def roles_of(signature: inspect.Signature) -> dict[str, str]:
    """The roles of the arguments of a constructor whose defaults are those of Keras.

    A class with a default of its own has it for a reason, and keeps it.
    """
    return {
        name: role
        for name, (role, default) in _ROLES.items()
        if name in signature.parameters
        and _is_same(signature.parameters[name].default, default)
    }


def _is_same(value: Any, default: str) -> bool:
    """Whether these are the same initializer."""
    if value is None or value is inspect.Parameter.empty:
        return False
    try:
        found = keras.initializers.get(value)
        expected = keras.initializers.get(default)
        same_class = type(found) is type(expected)
        return same_class and found.get_config() == expected.get_config()
    except (ValueError, TypeError, AttributeError):
        return False
