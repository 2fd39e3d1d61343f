"""What draws each variable: a rule, a preset, or its own layer."""

import dataclasses
from typing import Any

import keras

from keras_initx._backend.global_seeds import set_global_seeds
from keras_initx._backend.seeds import folded
from keras_initx._model.fresh import FreshLayer, has_seed
from keras_initx._model.model_variables import ModelVariable
from keras_initx._model.redraw import new_value
from keras_initx._model.selection import Selection
from keras_initx._model.variable_rules import VariableRules, name_of
from keras_initx.schemes._reinitialize.draw_report import DrawRow
from keras_initx.schemes._reinitialize.rules_json import initializer_of

_Initializer = keras.initializers.Initializer
_CONSTANTS = (
    keras.initializers.Zeros,
    keras.initializers.Ones,
    keras.initializers.Constant,
)


class Draws:
    """Draws variables, each from a seed of its own.

    Args:
        rules: VariableRules. Their values are initializers, ids or None.
        preset: dict. Initializers by the identities of variables, as `like` names them.
        selection: Selection. The layers that are drawn.
        seed: int.
    """

    def __init__(
        self,
        rules: VariableRules,
        preset: dict[int, Any],
        selection: Selection,
        seed: int,
    ) -> None:
        self._rules = rules
        self._by_rule = {
            rule: initializer_of("reinitialize", value)
            for rule, value in rules.rules.items()
        }
        self._preset = preset
        self._selection = selection
        self._selected: set[int] = set()
        self._new_layers: dict[int, FreshLayer] = {}
        self._known: dict[str, Any] = {}
        self.seed = seed

    def check(self, variables: list[ModelVariable]) -> None:
        """Selects the layers.

        Raises:
            ValueError: If a rule or a part of `layers` matches nothing.
        """
        self._rules.check(variables)
        layers = {id(each.layer): each for each in variables}
        self._selected = {
            key
            for key, each in layers.items()
            if self._selection(each.layer, each.parents)
        }
        paths = dict.fromkeys(each.layer.path for each in layers.values())
        self._selection.check(list(paths))

    def __call__(self, each: ModelVariable) -> tuple[DrawRow, Any]:
        """The row of a variable, and its new value; None if it is left alone."""
        source, initializer, note = self._choice(each)
        row = DrawRow(each.variable.path, tuple(each.variable.shape), source, note=note)
        if initializer is None:
            return row, None
        seed = folded(self.seed, each.path)
        if not _needs_no_chance(initializer):
            # It may use the generators of the program.
            set_global_seeds(seed)
        # The layer's own initializer draws as it does when Keras calls it.
        axes = None if source == "layer" else each.axes
        value = new_value(initializer, each.variable, axes, each.blocks, seed)
        return dataclasses.replace(row, initializer=_label(initializer)), value

    def _choice(self, each: ModelVariable) -> tuple[str, Any, str]:
        """What draws a variable: the source, the initializer, and a note."""
        reason = self._why_left_alone(each)
        if reason:
            return "nothing", None, reason
        rule = self._rules(each)
        if rule is not None:
            initializer = self._by_rule[rule]
            source = "nothing" if initializer is None else "rule"
            return source, initializer, name_of(rule)
        if id(each.variable) in self._preset:
            return "preset", self._preset[id(each.variable)], ""
        layer = self._new_layer(each)
        initializer = layer.initializer(each.variable)
        if initializer is None:
            return "nothing", None, f"not known: {layer.problem or _OF_ANOTHER}"
        return "layer", initializer, ""

    def _new_layer(self, each: ModelVariable) -> FreshLayer:
        """The layer of a variable as a new one, made once."""
        key = id(each.layer)
        if key not in self._new_layers:
            path = each.path.rpartition("/")[0]
            self._new_layers[key] = FreshLayer(
                each.layer, folded(self.seed, path), self._known
            )
        return self._new_layers[key]

    def _why_left_alone(self, each: ModelVariable) -> str:
        """Why a variable is not drawn; empty if it is."""
        layer = each.layer
        if id(layer) not in self._selected:
            return "not in `layers`"
        if hasattr(layer, "adapt"):
            return "learned by `adapt`"
        if layer.quantization_mode is not None:
            return "quantized"
        if not layer.trainable:
            return "frozen"
        is_adapter = each.variable.name.startswith("lora_")
        if getattr(layer, "lora_enabled", False) and each.axes and not is_adapter:
            return "frozen by LoRA"
        return ""


def _needs_no_chance(initializer: Any) -> bool:
    """Whether an initializer has a seed that one can give it, or draws nothing."""
    if isinstance(initializer, _CONSTANTS):
        return True
    return isinstance(initializer, _Initializer) and has_seed(initializer)


_OF_ANOTHER = "a new layer of this class does not make it"


def _label(initializer: Any) -> str:
    """The class of an initializer, or the name of a function."""
    if isinstance(initializer, _Initializer):
        return type(initializer).__name__
    return getattr(initializer, "__name__", type(initializer).__name__)
