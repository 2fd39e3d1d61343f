"""What `warm_start` refuses, before it changes anything."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.sublayers import sublayers
from keras_initx._model.variable_rules import VariableRules, name_of
from keras_initx.schemes._warm_start.pairing import Pairs
from keras_initx.schemes._warm_start.resize_rules import RULES
from keras_initx.schemes._warm_start.stored_layers import StoredLayer

_OWNER = "warm_start"


def check_model(model: Any, name: str) -> None:
    """Raises a `ValueError` unless this is a built model with plain weights."""
    if not isinstance(model, keras.layers.Layer):
        raise _validate.error(
            _OWNER,
            f"`{name}` to be a Keras model or layer",
            f"{name}={model!r}",
            "Pass the model itself.",
        )
    if not model.built or not model.weights:
        raise _validate.error(
            _OWNER,
            f"a `{name}` that is built and has weights",
            f"the {type(model).__name__} {model.name!r}, which has none yet",
            "Give it an `Input`, call it once on data, or call its method `build`.",
        )
    for layer in sublayers(model):
        is_quantized = layer.quantization_mode is not None
        if is_quantized or getattr(layer, "lora_enabled", False):
            what = "quantized" if is_quantized else "changed by LoRA"
            raise _validate.error(
                _OWNER,
                f"a `{name}` with plain weights",
                f"the layer {layer.path!r}, which is {what}",
                "Call `warm_start` before `quantize` and `enable_lora`.",
            )


def check_rules(rules: VariableRules) -> None:
    """Raises a `ValueError` if a rule says what no rule can say."""
    for rule, value in rules.rules.items():
        if value is None or callable(value):
            continue
        if not isinstance(value, str) or value not in RULES:
            names = ", ".join(repr(name) for name in RULES)
            raise _validate.error(
                _OWNER,
                "each of the `rules` to say how an array is resized",
                f"{value!r} for {name_of(rule)}",
                f"Choose one of: {names}; or a function of the old array and the new "
                "shape; or None, which leaves the variable.",
            )


def check_pairs(layers: StoredLayer, pairs: Pairs) -> None:
    """Raises a `ValueError` if the source has integers where the model has floats."""
    for each in layers.all_variables():
        source = pairs.get(id(each.variable))
        if source is not None and each.is_float and not source.is_float:
            raise _validate.error(
                _OWNER,
                "a source with plain weights",
                f"{source.path!r} of an integer dtype, for {each.path!r}",
                "It comes from a quantized model: save that one before `quantize`.",
            )


def nothing_matches(
    match: str, layers: StoredLayer, source: StoredLayer, reasons: list[str]
) -> ValueError:
    """The error for a source of another architecture.

    Args:
        match: str. How variables were matched.
        layers: StoredLayer. The tree of the model.
        source: StoredLayer. That of the source.
        reasons: list of str. Why those that were matched are left.
    """
    what = "of which none is matched"
    if reasons:
        what = f"of which none can be taken ({'; '.join(dict.fromkeys(reasons))})"
    return _validate.error(
        _OWNER,
        f"a source that is similar to the model, with match={match!r}",
        f"a source with the variables {_few(source)}, {what} to those of the model: "
        f"{_few(layers)}",
        "Choose another `match`, pass a part of the model, or give `rules`.",
    )


def unequal_units(path: str) -> ValueError:
    """The error for a model in which copies of a unit are not equal."""
    return _validate.error(
        _OWNER,
        "a model whose units can be copied",
        f"the layer {path!r}, in whose output copies of one unit differ: something "
        "before it does not treat units one by one",
        "Leave the kernels before it with rules such as {'dense/*': None}.",
    )


def _few(layers: StoredLayer) -> str:
    """The first variables, by their paths and shapes."""
    return _validate.few(
        [f"{each.path} {each.shape}" for each in layers.all_variables()]
    )
