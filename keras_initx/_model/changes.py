"""Changes of variables, all or none."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any

import keras
import numpy as np

from keras_initx._backend import saved, scaled, stored


class Changes:
    """Assigns variables, and puts them back bit for bit if the context fails.

    Examples:
        with Changes() as changes:
            changes.assign(layer.kernel, kernel)
            check(model)  # If this raises, the kernel is the old one again.
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[keras.Variable, Any]] = {}

    def assign(self, variable: keras.Variable, value: Any) -> None:
        """Assigns, and remembers what stood there before the first time."""
        self.remember(variable)
        variable.assign(value)

    def scale(self, variable: keras.Variable, factors: np.ndarray) -> None:
        """Multiplies, and remembers the same."""
        self.remember(variable)
        before = stored(variable)
        after = scaled(before, factors, np.zeros(()))
        if after is not before:
            variable.assign(after)

    def remember(self, variable: keras.Variable) -> None:
        """Keeps what the variable holds now, unless it is kept already."""
        if id(variable) not in self._before:
            self._before[id(variable)] = (variable, saved(variable))

    def undo(self, variables: Iterable[keras.Variable] | None = None) -> None:
        """Puts these variables back, or all."""
        chosen = self._before if variables is None else map(id, variables)
        for key in list(chosen):
            if key in self._before:
                variable, value = self._before.pop(key)
                variable.assign(value)

    def __enter__(self) -> "Changes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.undo()
        self._before.clear()
