"""Which rule holds for a variable: by its path, the class of its layer, or a test."""

import fnmatch
from collections.abc import Mapping
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.model_variables import ModelVariable


class VariableRules:
    """Rules in their order; the first one that matches a variable holds for it.

    A string is a pattern for the path of the variable, as in `fnmatch`; `*` matches
    slashes too. The path may begin with the name of the model, or after it. A layer
    class matches the kernels of its layers and of the layers within them. A function
    `(layer, variable)` matches what it returns True for.

    Args:
        owner: str. Who asks, for errors.
        rules: dict from these to values, or None.
        meaning: str. What a value is, for errors, with an example.
    """

    def __init__(self, owner: str, rules: Any, example: str) -> None:
        self._owner = owner
        self.rules: dict[Any, Any] = dict(_checked(owner, rules, example))

    def __call__(self, each: ModelVariable) -> Any:
        """The rule that holds for this variable; None without one."""
        return next((rule for rule in self.rules if _matches(rule, each)), None)

    def check(self, variables: list[ModelVariable]) -> None:
        """Raises a `ValueError` if a rule matches no variable."""
        for rule in self.rules:
            if not any(_matches(rule, each) for each in variables):
                raise _validate.error(
                    self._owner,
                    "each rule to hold for a variable",
                    f"the rule {name_of(rule)}, which matches none",
                    f"The model has: {_few([e.variable.path for e in variables])}.",
                )


def name_of(rule: Any) -> str:
    """A rule, as a reader knows it."""
    return (
        repr(rule) if isinstance(rule, str) else getattr(rule, "__name__", repr(rule))
    )


def _checked(owner: str, rules: Any, example: str) -> Mapping[Any, Any]:
    if rules is None:
        return {}
    if isinstance(rules, Mapping) and all(map(_is_rule, rules)):
        return rules
    wrong = rules
    if isinstance(rules, Mapping):
        wrong = {next(rule for rule in rules if not _is_rule(rule)): "..."}
    raise _validate.error(
        owner,
        "`rules` to be a dict from path patterns, layer classes or functions "
        "`(layer, variable)`",
        f"rules={wrong!r}",
        f"Pass for example {example}.",
    )


def _is_rule(rule: Any) -> bool:
    if isinstance(rule, type):
        return issubclass(rule, keras.layers.Layer)
    return isinstance(rule, str) or callable(rule)


def _matches(rule: Any, each: ModelVariable) -> bool:
    if isinstance(rule, str):
        paths = (each.variable.path, each.path)
        return any(fnmatch.fnmatchcase(path, rule) for path in paths)
    if isinstance(rule, type):
        within = (*each.parents[1:], each.layer)
        return each.axes is not None and any(isinstance(one, rule) for one in within)
    return bool(rule(each.layer, each.variable))


def _few(paths: list[str], count: int = 8) -> str:
    """The first paths, and how many more there are."""
    more = f", and {len(paths) - count} more" if len(paths) > count else ""
    return ", ".join(paths[:count]) + more
