"""Which losses are known, what each compares, and its settings."""

import functools
from typing import Any

import keras
from keras import losses

from keras_initx._keras import is_of_keras

REGRESSION, BINARY, CATEGORICAL, SPARSE = (
    "regression",
    "binary",
    "categorical",
    "sparse",
)
# What each function of Keras compares; other functions are not known.
KINDS = {
    "mean_squared_error": REGRESSION,
    "mean_absolute_error": REGRESSION,
    "mean_absolute_percentage_error": REGRESSION,
    "mean_squared_logarithmic_error": REGRESSION,
    "huber": REGRESSION,
    "log_cosh": REGRESSION,
    "poisson": REGRESSION,
    "binary_crossentropy": BINARY,
    "binary_focal_crossentropy": BINARY,
    "hinge": BINARY,
    "squared_hinge": BINARY,
    "categorical_crossentropy": CATEGORICAL,
    "categorical_focal_crossentropy": CATEGORICAL,
    "categorical_hinge": CATEGORICAL,
    "sparse_categorical_crossentropy": SPARSE,
}
# These grow with the distance of an output from its target.
DISTANCES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
# Scores of any size are what these compare.
HINGES = ("hinge", "squared_hinge", "categorical_hinge")


def named(function: Any) -> tuple[str, dict[str, Any]]:
    """The name of a loss as a function of Keras has it, and its settings."""
    settings: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        settings = {**function.keywords, **settings}
        function = function.func
    if isinstance(function, losses.Loss) and is_of_keras(function):
        keys = ("from_logits", "label_smoothing", "axis", "ignore_class")
        settings = {key: getattr(function, key, None) for key in keys} | settings
        if settings["axis"] is None:
            del settings["axis"]
        function = getattr(function, "fn", function)
    name = getattr(function, "__name__", type(function).__name__)
    is_known = getattr(losses, name, None) is function and name in KINDS
    return name if is_known else "", settings


def resolved(loss: Any, targets: Any, outputs: Any) -> Any:
    """The loss that is meant; `compile` takes the name of a family too."""
    if not (isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")):
        return keras.losses.get(loss)
    if outputs.shape[-1] == 1:
        return losses.binary_crossentropy
    is_sparse = len(targets.shape) < len(outputs.shape) or targets.shape[-1] == 1
    if is_sparse:
        return losses.sparse_categorical_crossentropy
    return losses.categorical_crossentropy
