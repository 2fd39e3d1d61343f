"""Rules: which variables of a model a path, a class or a predicate means."""

import fnmatch
from collections.abc import Iterable
from typing import Any

import keras

from keras_initx import _validate


class VariableRules:
    """The first rule that matches a variable says what becomes of it.

    Args:
        owner: str. Who asks, for errors.
        rules: dict, or list of pairs, or None. A path pattern, a layer class or a
            predicate of a layer and a variable; and what the rule says.
    """

    def __init__(self, owner: str, rules: Any) -> None:
        self._owner = owner
        pairs = rules.items() if isinstance(rules, dict) else rules or []
        try:
            self.rules = [(wanted, value) for wanted, value in pairs]
        except (TypeError, ValueError):
            raise self._error(rules) from None
        for wanted, _ in self.rules:
            is_class = isinstance(wanted, type)
            if is_class and not issubclass(wanted, keras.layers.Layer):
                raise self._error(wanted)
            if not (isinstance(wanted, str) or callable(wanted)):
                raise self._error(wanted)
        self._unmatched = list(range(len(self.rules)))

    def __call__(
        self, layer: keras.layers.Layer | None, variable: keras.Variable
    ) -> tuple[bool, Any]:
        """Whether a rule matches, and what it says."""
        for place, (wanted, value) in enumerate(self.rules):
            if _matches(wanted, layer, variable):
                self._unmatched = [n for n in self._unmatched if n != place]
                return True, value
        return False, None

    def check(self, paths: Iterable[str]) -> None:
        """Raises a `ValueError` if a rule is not the first for any variable."""
        if self._unmatched:
            wanted = self.rules[self._unmatched[0]][0]
            shown = wanted if isinstance(wanted, str) else _name(wanted)
            raise _validate.error(
                self._owner,
                "each of the `rules` to match a variable that no earlier one matches",
                f"the rule {shown!r}, which matches none",
                f"The model has: {', '.join(paths)}.",
            )

    def _error(self, received: Any) -> ValueError:
        return _validate.error(
            self._owner,
            "`rules` to be a dict whose keys are path patterns, layer classes or "
            "functions of a layer and a variable",
            f"{received!r}",
            "Pass for example {'*/query/kernel': None}.",
        )


def _matches(
    wanted: Any, layer: keras.layers.Layer | None, variable: keras.Variable
) -> bool:
    if isinstance(wanted, str):
        return fnmatch.fnmatchcase(variable.path, wanted)
    if isinstance(wanted, type):
        return isinstance(layer, wanted)
    return bool(wanted(layer, variable))


def _name(wanted: Any) -> str:
    return getattr(wanted, "__name__", repr(wanted))
