"""The objects of ours that a config names, and where they stand."""

import dataclasses
import re
import sys
from collections.abc import Callable
from typing import Any

import keras

from keras_initx._registry import namespace_of, registered

# A short id is an everyday word, such as "sparse": it is ours only under such a key.
_KEYS = {
    "initializers": re.compile(r"init(?!ial(?!iz))"),
    "constraints": re.compile("constraint"),
    "activations": re.compile("activation"),
}


@dataclasses.dataclass(frozen=True)
class Place:
    """A place in a config.

    Attributes:
        names: tuple of str. The names of the objects around it, outermost first.
        keys: tuple of str. The keys that lead to it from the config of its holder.
        holder: type or None. The class of the innermost object around it, if found.
        dtype: The dtype policy of the innermost layer around it, as its config has it.
    """

    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    holder: type | None = None
    dtype: Any = None

    @property
    def path(self) -> str:
        """The names of the layers around it, without that of the model."""
        return "/".join(self.names[1:] or self.names)

    @property
    def key(self) -> str:
        """The argument of its holder, or the last key that leads to it."""
        return self.keys[-1] if self.keys else ""

    def at(self, key: Any) -> "Place":
        """The place one key further in."""
        return dataclasses.replace(self, keys=(*self.keys, str(key)))

    def within(self, config: dict[str, Any]) -> "Place":
        """The place of the arguments of an object."""
        inner = config["config"] if isinstance(config["config"], dict) else {}
        name = inner.get("name")
        return Place(
            (*self.names, name) if isinstance(name, str) else self.names,
            holder=_class_of(config),
            dtype=inner.get("dtype") or self.dtype,
        )


Replace = Callable[[Any, Any, Place], Any]


def rewritten(config: Any, replace: Replace, place: Place | None = None) -> Any:
    """The config with `replace(target, config, place)` where it names one of ours.

    `target` is the class or function that is named, by its full name or a short id.
    """
    place = place or Place()
    target = _target(config, place)
    if target is not None:
        return replace(target, config, place)
    if isinstance(config, dict):
        if "class_name" in config and "config" in config:
            inner = rewritten(config["config"], replace, place.within(config))
            others = {key: value for key, value in config.items() if key != "config"}
            return {**_values(others, replace, place), "config": inner}
        return _values(config, replace, place)
    if isinstance(config, list | tuple):
        return [rewritten(value, replace, place) for value in config]
    return config


def _values(config: dict[str, Any], replace: Replace, place: Place) -> dict[str, Any]:
    return {
        key: rewritten(value, replace, place.at(key)) for key, value in config.items()
    }


def _target(config: Any, place: Place) -> Any:
    """What of ours a value in a config names, or None."""
    known = registered()
    if isinstance(config, str):
        found = known.get(config)
        if found is None or ">" in config:
            return found
        pattern = _KEYS.get(namespace_of(found))
        is_there = pattern and any(pattern.search(key.lower()) for key in place.keys)
        return found if is_there else None
    if isinstance(config, dict) and "class_name" in config and "config" in config:
        names = [config.get("registered_name"), config["class_name"]]
        if config["class_name"] == "function":
            names.append(config["config"])
        return next(
            (known[n] for n in names if isinstance(n, str) and n in known), None
        )
    return None


def _class_of(config: dict[str, Any]) -> type | None:
    """The class that a config names, if it is known here."""
    name = config.get("registered_name") or config["class_name"]
    found = keras.saving.get_registered_object(name)
    if found is None:
        module = sys.modules.get(config.get("module") or "")
        found = getattr(module, config["class_name"], None)
    return found if isinstance(found, type) else None
