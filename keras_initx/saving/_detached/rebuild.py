"""A model from its own file, with another config."""

import contextlib
import json
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._keras import is_of_keras
from keras_initx.saving._detached.config_walk import rewritten
from keras_initx.saving._detached.replacements import Replacements


def rebuilt(model: keras.Model, replace: Replacements) -> tuple[keras.Model, Any]:
    """A copy of the model, not yet compiled, and what `compile_from_config` takes.

    It goes through a folder as Keras saves it, so that all that files carry comes
    along: vocabularies and what layers save on their own.
    """
    with tempfile.TemporaryDirectory() as folder, quiet(), explained(model):
        place = Path(folder) / "model"
        keras.saving.save_model(model, place, zipped=False)
        file = place / "config.json"
        config = rewritten(json.loads(file.read_text("utf-8")), replace)
        compile_config = config.pop("compile_config", None)
        file.write_text(json.dumps(config), "utf-8")
        with _policy(model):
            copy = keras.saving.load_model(place, compile=False, safe_mode=False)
    return copy, compile_config


@contextlib.contextmanager
def explained(model: keras.Model) -> Iterator[None]:
    """Says of an error of Keras that the config does not give the model back."""
    try:
        yield
    except Exception as error:
        raise _validate.error(
            "detach",
            "a model that Keras can save and build again from its config",
            f"the model {model.name!r}, where that fails with {type(error).__name__}: "
            f"{_first_paragraph(error)}",
            "A class of your own needs `get_config`, and sublayers that its `build` "
            "builds; what it needs by name is to be registered with "
            "`keras.saving.register_keras_serializable`.",
        ) from error


def _first_paragraph(error: Exception) -> str:
    return " ".join(str(error).strip().split("\n\n")[0].split()).rstrip(".")


@contextlib.contextmanager
def _policy(model: keras.Model) -> Iterator[None]:
    """The dtype policy of a Functional or Sequential model, which get no `dtype`."""
    before = keras.config.dtype_policy()
    if is_of_keras(model):
        keras.config.set_dtype_policy(model.dtype_policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A context without two warnings of Keras that do not matter here.

    A model within a model does not destroy a mask: its layers hand it on. And a lambda
    is not unsafe where it stands already.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not support masking")
        warnings.filterwarnings("ignore", ".*includes a `lambda`")
        yield
