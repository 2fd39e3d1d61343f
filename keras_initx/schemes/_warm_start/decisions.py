"""What becomes of each variable: decided for all of them, before any is changed."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_initx import _validate
from keras_initx._model.model_variables import ModelVariable
from keras_initx._model.variable_rules import VariableRules
from keras_initx._model.variable_seeds import VariableSeeds
from keras_initx.schemes._warm_start.automatic_choice import (
    AutomaticChoice,
    Choice,
)
from keras_initx.schemes._warm_start.model_layers import plain, values_of
from keras_initx.schemes._warm_start.pairing import Pairs
from keras_initx.schemes._warm_start.resize_rules import RULES, Resizing
from keras_initx.schemes._warm_start.start_report import StartRow
from keras_initx.schemes._warm_start.stored_layers import StoredVariable
from keras_initx.schemes._warm_start.unit_copies import repeated

_OWNER = "warm_start"


@dataclasses.dataclass
class Decision:
    """What becomes of one variable.

    Attributes:
        variable: keras.Variable.
        row: StartRow.
        value: A function that returns the new value, or None: the variable is left.
        is_new: bool. Whether the source does not have it, and no rule is about it.
    """

    variable: keras.Variable
    row: StartRow
    value: Callable[[], Any] | None
    is_new: bool = False


class Decisions:
    """Decides by the rules of the user, by shapes, and by the automatic choice."""

    def __init__(
        self,
        pairs: Pairs,
        rules: VariableRules,
        automatic: AutomaticChoice,
        seeds: VariableSeeds,
    ) -> None:
        self._pairs = pairs
        self._rules = rules
        self._automatic = automatic
        self._seeds = seeds

    def of(self, each: ModelVariable) -> Decision:
        """The decision about one variable."""
        variable, matched = each.variable, self._rules(each)
        is_ruled = matched is not None
        rule: Any = self._rules.rules.get(matched)
        source = self._pairs.get(id(variable))
        if source is None:
            left = _left(variable, None, "", "not in the source")
            return dataclasses.replace(left, is_new=not is_ruled)
        if is_ruled and rule is None:
            return _left(variable, source, "None", "")
        if is_ruled and callable(rule):
            name = getattr(rule, "__name__", "function")
            value = functools.partial(_by_function, rule, variable, source)
            return _decision(variable, source, "resized", name, value)
        if source.shape == tuple(variable.shape):
            return _decision(variable, source, "taken", "", source.read)
        choice = Choice([rule]) if is_ruled else self._automatic(variable)
        if not choice.rules:
            return _left(variable, source, "", choice.note)
        value = functools.partial(self._resized, variable, source, choice.rules)
        return _decision(variable, source, "resized", ", ".join(choice.rules), value)

    def _resized(
        self, variable: keras.Variable, source: StoredVariable, rules: list[str]
    ) -> np.ndarray:
        """The array of the source by these rules, one after the other."""
        array, shape = source.read(), tuple(variable.shape)
        seed, copies = self._seeds(source.path), self._automatic.copies
        own = functools.partial(values_of, variable)
        try:
            for place, rule in enumerate(rules):
                if rule in RULES:
                    goal = shape
                    if place + 1 < len(rules):
                        goal = self._automatic.goal(variable, array.shape)
                    array = RULES[rule](Resizing(array, goal, own, seed))
                elif copies is not None and copies.roles(variable) is not None:
                    array = copies.resized(variable, array, seed)
                else:
                    array = repeated(array, shape)
        except ValueError as error:
            raise _not_possible(variable, source, rules, error) from error
        if array.shape != shape:
            raise _not_possible(variable, source, rules, f"the shape {array.shape}")
        return array


def _by_function(
    rule: Callable[..., Any], variable: keras.Variable, source: StoredVariable
) -> np.ndarray:
    """What a function of the user makes of the array of the source."""
    shape = tuple(variable.shape)
    array = plain(keras.ops.convert_to_numpy(rule(source.read(), shape)))
    if array.shape != shape:
        raise _validate.error(
            _OWNER,
            f"a rule that returns an array of the shape {shape} for {variable.path!r}",
            f"an array of the shape {array.shape}",
            "It gets the array of the source and the new shape.",
        )
    return array


def _decision(
    variable: keras.Variable,
    source: StoredVariable,
    action: str,
    rule: str,
    value: Callable[[], Any],
) -> Decision:
    shape = tuple(variable.shape)
    row = StartRow(variable.path, source.path, action, rule, source.shape, shape)
    return Decision(variable, row, value)


def _left(
    variable: keras.Variable, source: StoredVariable | None, rule: str, note: str
) -> Decision:
    path, old = (None, None) if source is None else (source.path, source.shape)
    shape = tuple(variable.shape)
    return Decision(
        variable, StartRow(variable.path, path, "left", rule, old, shape, note), None
    )


def _not_possible(
    variable: keras.Variable,
    source: StoredVariable,
    rules: list[str],
    error: Any,
) -> ValueError:
    return _validate.error(
        _OWNER,
        f"the rule {', '.join(rules)!r} to fit the shapes of {variable.path!r}",
        f"{source.shape} in the source and {tuple(variable.shape)} in the model "
        f"({error})",
        "Pass another rule for this path, a function of the old array and the new "
        "shape, or None.",
    )
