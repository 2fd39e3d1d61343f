"""What a scheme is going to write: all of it, or nothing."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._model.changes import Changes
from keras_initx._model.interrupts import allow_interrupts, hold_interrupts
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx._model.redraw import Redraw


class Plan:
    """The new values of variables. Nothing is written before `carry_out`.

    Each variable is planned once: a layer that stands in several branches keeps its
    first plan.

    Args:
        initializer: What draws kernels, or None: the present ones are scaled.
    """

    def __init__(self, initializer: Any = None) -> None:
        self._draws = None if initializer is None else Redraw(initializer)
        self._steps: dict[int, tuple[Any, ...]] = {}

    def scale(self, described: LayerKernel, factor: float) -> None:
        """The kernels of a layer, drawn if there is an initializer, times a factor.

        A layer of two kernels in a row, a separable convolution, gets it once.
        """
        for variable, axes in described.kernels:
            is_scaled = variable is described.kernel
            self._steps.setdefault(
                id(variable), (variable, axes, factor if is_scaled else 1.0)
            )

    def multiply(self, variable: keras.Variable, factor: float) -> None:
        """The present value of a variable, times a factor."""
        self._steps.setdefault(id(variable), (variable, None, factor))

    def fill(self, variable: keras.Variable | None, value: float) -> None:
        """A variable whose entries are all equal."""
        if variable is not None:
            self._steps.setdefault(id(variable), (variable, value))

    def zero(self, described: LayerKernel) -> None:
        """The kernel and the bias of a layer become zero."""
        self.fill(described.kernel, 0.0)
        self.fill(described.bias, 0.0)

    def carry_out(self) -> None:
        """Writes everything. After an error all variables are bit for bit as before."""
        changes = Changes()
        with hold_interrupts(), changes:
            for variable, *what in self._steps.values():
                if len(what) == 1:
                    value = ops.full(variable.shape, what[0], variable.dtype)
                    changes.assign(variable, value)
                    continue
                axes, factor = what
                if self._draws is not None and axes is not None:
                    with allow_interrupts():
                        value = self._draws(variable, axes)
                    changes.assign(variable, value)
                if factor != 1:
                    changes.scale(variable, np.asarray(factor))
