"""The `gain` of an initializer: a number, or the activation that it makes up for."""

import json
import numbers
import types
import warnings
from typing import Any

import keras

from keras_initx import _validate
from keras_initx.activations._elementwise import find, name_of
from keras_initx.activations._gain import gain_for
from keras_initx.activations._unit import gated_name


class Gain(float):
    """A number that remembers the activation it was computed for."""

    activation: Any


def gain_of(owner: str, gain: Any) -> float:
    """The argument `gain` as a number above 0."""
    if _validate.is_number(gain) and gain > 0:
        return float(gain)
    is_known = find(gain) is not None or gated_name(gain) is not None
    if isinstance(gain, numbers.Real) or gain is None or not is_known:
        raise _validate.error(
            owner,
            "`gain` to be a finite number above 0, or an activation",
            f"gain={gain!r}",
            "Pass for example 1.0 or 'relu'.",
        )
    number = Gain(gain_for(owner, gain, "gain"))
    number.activation = gain
    return number


def config_of(gain: float) -> Any:
    """The same as plain JSON: the number, if the activation cannot be written."""
    activation = getattr(gain, "activation", None)
    written = None if activation is None else config_of_activation(activation)
    return float(gain) if written is None else written


def config_of_activation(activation: Any) -> str | dict[str, Any] | None:
    """An activation as plain JSON, or None if there is no such JSON.

    Names stay names. A function or layer is written where Keras finds it again without
    being told what it is.
    """
    if isinstance(activation, str | dict):
        return activation
    if isinstance(activation, types.FunctionType):
        name = keras.saving.get_registered_name(activation)
        if name_of(activation) is not None:
            return activation.__name__
        if keras.saving.get_registered_object(name) is activation:
            return keras.activations.serialize(activation)
    if isinstance(activation, keras.Layer) and not activation.weights:
        return _config_of_layer(activation)
    return None


def _config_of_layer(layer: keras.Layer) -> dict[str, Any] | None:
    """Plain JSON from which Keras makes the layer again, if that is possible."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = json.loads(json.dumps(keras.activations.serialize(layer)))
        is_readable = find(config) is not None
    except Exception:
        return None
    return config if is_readable else None
