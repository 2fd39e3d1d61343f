"""What a scheme is going to write: all of it, or nothing."""

import dataclasses
from collections.abc import Callable
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
        initializer: What draws the kernels that are scaled, or None: the present ones
            are scaled.
        counts_strides: Whether the strides of a convolution change the fans of the
            kernels that are scaled.
    """

    def __init__(self, initializer: Any = None, counts_strides: bool = True) -> None:
        self._counts_strides = counts_strides
        self._draws = None if initializer is None else Redraw(initializer)
        self._steps: dict[int, Callable[[Changes], None]] = {}

    def scale(self, described: LayerKernel, factor: float) -> None:
        """The kernel of a layer, drawn if there is an initializer, times a factor.

        Of a separable convolution the second kernel gets the factor.
        """
        for variable, axes in described.kernels:
            own = factor if variable is described.kernel else 1.0
            if not self._counts_strides:
                axes = dataclasses.replace(axes, strides=1)
            self._add(variable, self._draws, axes, own)

    def draw(self, variable: keras.Variable, axes: Any, initializer: Any) -> None:
        """A variable that this initializer draws."""
        self._add(variable, Redraw(initializer), axes, 1.0)

    def multiply(self, variable: keras.Variable | None, factor: float) -> None:
        """The present value of a variable, times a factor."""
        if variable is not None:
            self._add(variable, None, None, factor)

    def fill(self, variable: keras.Variable | None, value: float) -> None:
        """A variable whose entries are all equal."""
        if variable is None:
            return

        def step(changes: Changes) -> None:
            values = ops.full(variable.shape, value, variable.dtype)
            changes.assign(variable, values)

        self._steps.setdefault(id(variable), step)

    def zero(self, described: LayerKernel) -> None:
        """The kernel and the bias of a layer become zero."""
        self.fill(described.kernel, 0.0)
        self.fill(described.bias, 0.0)

    def carry_out(self) -> None:
        """Writes everything. After an error all variables are bit for bit as before."""
        changes = Changes()
        with hold_interrupts(), changes:
            for step in self._steps.values():
                step(changes)

    def _add(
        self, variable: keras.Variable, draws: Redraw | None, axes: Any, factor: float
    ) -> None:
        def step(changes: Changes) -> None:
            if draws is not None:
                with allow_interrupts():
                    value = draws(variable, axes)
                changes.assign(variable, value)
            if factor != 1:
                changes.scale(variable, np.asarray(factor))

        self._steps.setdefault(id(variable), step)
