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
    class matches the variables of its layers and of the layers within them, or only
    the kernels. A function `(layer, variable)` matches what it returns True for.

    Args:
        owner: str. Who asks, for errors.
        rules: dict from these to values, or None.
        example: str. Rules that one could pass, for errors.
        only_kernels: bool. Whether a layer class means only its kernels. Defaults to
            `False`.
    """

    def __init__(
        self, owner: str, rules: Any, example: str, only_kernels: bool = False
    ) -> None:
        self._owner = owner
        self._only_kernels = only_kernels
        self.rules: dict[Any, Any] = dict(_checked(owner, rules, example))

    def __call__(self, each: ModelVariable) -> Any:
        """The rule that holds for this variable; None without one."""
        return next((rule for rule in self.rules if self._matches(rule, each)), None)

    def check(self, variables: list[ModelVariable]) -> None:
        """Raises a `ValueError` if a rule matches no variable."""
        for rule in self.rules:
            if not any(self._matches(rule, each) for each in variables):
                paths = [each.variable.path for each in variables]
                raise _validate.error(
                    self._owner,
                    "each rule to hold for a variable",
                    f"the rule {name_of(rule)}, which matches none",
                    f"The model has: {_validate.few(paths, most=8)}.",
                )

    def _matches(self, rule: Any, each: ModelVariable) -> bool:
        if isinstance(rule, str):
            paths = (each.variable.path, each.path)
            return any(fnmatch.fnmatchcase(path, rule) for path in paths)
        if isinstance(rule, type):
            within = (*each.parents[1:], each.layer)
            is_meant = each.axes is not None or not self._only_kernels
            return is_meant and any(isinstance(one, rule) for one in within)
        return bool(rule(each.layer, each.variable))


def name_of(rule: Any) -> str:
    """A rule, as a reader knows it."""
    if isinstance(rule, str):
        return repr(rule)
    return str(getattr(rule, "__name__", repr(rule)))


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
