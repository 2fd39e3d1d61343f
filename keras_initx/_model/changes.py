"""Changes of variables: all of them, or none."""

from types import TracebackType
from typing import Any

import keras
import numpy as np

from keras_initx._backend import assign, rescale, saved
from keras_initx._model.interrupts import hold_interrupts


class Changes:
    """Changes variables, and puts them back bit for bit if the context fails.

    After the context `undo` can still put them back, until the next one begins.

    Examples:
        changes = Changes()
        with hold_interrupts(), changes:
            changes.assign(layer.kernel, kernel)
            check(model)  # If this raises, the kernel is the old one again.
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[keras.Variable, Any]] = {}

    def assign(self, variable: keras.Variable, value: Any) -> None:
        """Assigns the value, and keeps the one from before the first change."""
        self.remember(variable)
        assign(variable, value)

    def scale(self, variable: keras.Variable, factors: np.ndarray) -> None:
        """Multiplies by the factors, and keeps the value from before."""
        self.remember(variable)
        rescale(variable, factors)

    def remember(self, variable: keras.Variable) -> None:
        """Keeps the present value of the variable, unless an earlier one is kept."""
        if id(variable) not in self._before:
            self._before[id(variable)] = (variable, saved(variable))

    def undo(self) -> None:
        """Puts all variables back."""
        with hold_interrupts():
            for variable, value in self._before.values():
                assign(variable, value)
            self._before.clear()

    def __enter__(self) -> "Changes":
        self._before.clear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.undo()
