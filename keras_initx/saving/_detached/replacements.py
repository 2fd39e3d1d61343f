"""What stands for each object of ours in a config that Keras can read alone."""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx._registry import namespace_of
from keras_initx.activations import ShapedActivation, lecun_tanh
from keras_initx.layers import CReLU
from keras_initx.saving._detached.config_walk import Place, rewritten
from keras_initx.saving._detached.keras_activations import keras_activation
from keras_initx.saving._detached.keras_initializers import keras_initializer
from keras_initx.saving._detached.keras_layers import keras_crelu

# Of what computes, Keras has these. The others are named in the error.
COMPUTED = (lecun_tanh, ShapedActivation, CReLU)


class Replacements:
    """Replaces what a config names of ours, and keeps where a constraint was dropped.

    What Keras cannot say stays as it is.
    """

    def __init__(self) -> None:
        self.dropped: list[str] = []

    def __call__(self, target: Any, config: Any, place: Place) -> Any:
        """What stands for `config`, which names `target`."""
        return self.treatment(target)(target, config, place)

    def treatment(self, target: Any) -> Callable[[Any, Any, Place], Any]:
        """What is done with this class or function: by its folder."""
        treatments = {
            "initializers": self._initializer,
            "constraints": self._constraint,
            "activations": self._computed,
            "layers": self._computed,
        }
        return treatments[namespace_of(target)]

    def _initializer(self, target: Any, config: Any, place: Place) -> Any:
        return keras_initializer(place, as_string=isinstance(config, str))

    def _constraint(self, target: Any, config: Any, place: Place) -> None:
        self.dropped.append(f"{place.path} ({place.key})")

    def _computed(self, target: Any, config: Any, place: Place) -> Any:
        found = None
        if target in COMPUTED:
            found = _in_keras(_made(target, config), config, place)
        if found is None:
            return self._left(config, place)
        if not isinstance(found, keras.Layer):
            return keras.activations.serialize(found)
        written = keras.saving.serialize_keras_object(found)
        # Within it there may be more of ours, such as the activation that is shaped.
        written = rewritten(written, self, place)
        others = config if isinstance(config, dict) else {}
        # Keras's own names for the layer and its place in the graph stay.
        kept = {key: others[key] for key in ("name", "inbound_nodes") if key in others}
        return {**written, **kept}

    def _left(self, config: Any, place: Place) -> Any:
        """What Keras cannot say, with what is replaced within it."""
        if not isinstance(config, dict) or not isinstance(config["config"], dict):
            return config
        inner = rewritten(config["config"], self, place.within(config))
        return {**config, "config": inner}


def _made(target: Any, config: Any) -> Any:
    """The object itself, or the function."""
    if not isinstance(target, type):
        return target
    if isinstance(config, str):
        return target()
    return keras.saving.deserialize_keras_object(
        {
            "class_name": target.__name__,
            "module": target.__module__,
            "config": config["config"],
            "registered_name": keras.saving.get_registered_name(target),
        }
    )


def _in_keras(value: Any, config: Any, place: Place) -> Any:
    if isinstance(value, CReLU):
        return keras_crelu(value, (config.get("build_config") or {}).get("input_shape"))
    return keras_activation(value, place)
