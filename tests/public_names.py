"""Prints the public names of the package: signatures, ids, configs, as JSON.

They are a file format, because saved models carry them. `tests/saved/public_names.json`
holds what this prints; a change there is a change for users.
"""

import enum
import inspect
import json
import re
from typing import Any

import keras

import keras_initx

FOLDERS = (
    "activations",
    "callbacks",
    "config",
    "constraints",
    "diagnostics",
    "initializers",
    "layers",
    "saving",
    "schemes",
)


def public_names() -> dict[str, Any]:
    """Each public name with its signature, its module and its default config."""
    found: dict[str, Any] = {}
    modules = {"": keras_initx}
    modules |= {f"{name}.": getattr(keras_initx, name) for name in FOLDERS}
    for prefix, module in modules.items():
        for name, member in sorted(vars(module).items()):
            if name.startswith("_") or inspect.ismodule(member):
                continue
            found[prefix + name] = {
                "signature": _signature(member),
                **_config(member),
            }
    return found


def ids() -> dict[str, str]:
    """The ids under which Keras finds the classes and functions of the package."""
    return {
        name: target.__name__
        for name, target in sorted(keras.saving.get_custom_objects().items())
        if target.__module__.startswith("keras_initx")
    }


def _signature(member: Any) -> str:
    """The signature, without the modules of the types: these may move."""
    if inspect.isclass(member) and issubclass(member, enum.Enum):
        return ", ".join(sorted(each.value for each in member))
    signature = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", str(inspect.signature(member)))
    # A type that is imported later stands there as a string.
    return re.sub(r"-> '(\w+)'$", r"-> \1", signature)


def _config(member: Any) -> dict[str, Any]:
    is_class = inspect.isclass(member) and hasattr(member, "get_config")
    if not is_class:
        return {}
    parameters = inspect.signature(member).parameters.values()
    if any(
        p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters
    ):
        # A wrapper, of a layer that the user has.
        return {}
    config = member().get_config()
    # Keras counts the names of layers.
    return {"config": {k: v for k, v in config.items() if k != "name"}}


def text() -> str:
    """All of it, in a form that a diff shows line by line."""
    content = {"names": public_names(), "ids": ids()}
    return json.dumps(content, indent=1, default=str) + "\n"


if __name__ == "__main__":
    print(text(), end="")
