"""The public names of the package, and what the site says of each."""

import importlib
import inspect
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import keras

import keras_initx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent

# In the order in which the site shows them.
NAMESPACES = {
    "initializers": "Initializers",
    "schemes": "Schemes for models",
    "diagnostics": "Diagnostics",
    "callbacks": "Callbacks",
    "activations": "Activations",
    "layers": "Layers",
    "constraints": "Constraints",
    "config": "Settings",
    "saving": "Saving",
}
# What needs a formula and a picture of what it does: classes here, functions there.
ILLUSTRATED = {"initializers": inspect.isclass, "schemes": inspect.isfunction}


@cache
def public_names() -> dict[str, dict[str, Any]]:
    """The objects of each namespace by their names, as a reader looks them up."""
    found = {}
    for namespace in NAMESPACES:
        module = importlib.import_module(f"keras_initx.{namespace}")
        found[namespace] = {
            name: member
            for name, member in sorted(
                vars(module).items(), key=lambda entry: entry[0].lower()
            )
            if not name.startswith("_") and not inspect.ismodule(member)
        }
    return found


def source_of(namespace: str, name: str) -> str:
    """The page of a public name, as a file in `docs/`."""
    return f"reference/{namespace}/{name}.md"


@cache
def pages_of_names() -> dict[str, str]:
    """The page of what code may call a public name: short, qualified or as an id."""
    found = {}
    for namespace, members in public_names().items():
        for name, member in members.items():
            page = source_of(namespace, name)
            short = [name] if hasattr(keras_initx, name) else []
            for path in (*short, f"{namespace}.{name}"):
                found[path] = found[f"keras_initx.{path}"] = page
            found |= {f'"{short_id}"': page for short_id in ids_of(member)}
    return found


def ids_of(member: Any) -> list[str]:
    """The strings under which Keras finds a class or a function."""
    return [
        short_id
        for short_id, target in keras.saving.get_custom_objects().items()
        if target is member and not short_id.startswith("keras_initx>")
    ]


def summary_of(member: Any) -> str:
    """The first sentence of a docstring."""
    text = inspect.getdoc(member) or ""
    return " ".join(text.partition("\n\n")[0].split())


@cache
def formulas() -> dict[str, dict[str, str]]:
    """What `formulas.toml` holds for each public name."""
    return tomllib.loads((DOCS / "formulas.toml").read_text("utf-8"))


def panels_of(name: str) -> str | None:
    """The picture of a public name, as a file in `docs/`."""
    file = f"panels/{name}.svg"
    return file if (DOCS / file).exists() else None


def without_illustration() -> list[str]:
    """What an initializer or a scheme still lacks, in words."""
    missing = []
    for namespace, is_illustrated in ILLUSTRATED.items():
        for name, member in public_names()[namespace].items():
            if not is_illustrated(member):
                continue
            if "formula" not in formulas().get(name, {}):
                missing.append(f"{name} has no formula in docs/formulas.toml")
            if panels_of(name) is None:
                missing.append(f"{name} has no picture in docs/panels/")
    return missing


def uses(code: str, name: str, member: Any) -> bool:
    """Whether code names a public name, or one of its ids."""
    words = [rf"\b{name}\b", *(rf"[\"']{each}[\"']" for each in ids_of(member))]
    return re.search("|".join(words), code) is not None
