"""Kernels and biases of the standard deviations that a layer needs."""

import math
from typing import Any

import keras
import numpy as np

from keras_initx import _validate
from keras_initx._backend import stored
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import fans
from keras_initx._kernel.random import normal
from keras_initx._model.changes import Changes
from keras_initx._model.interrupts import allow_interrupts
from keras_initx._model.mean_and_variance import mean_and_variance
from keras_initx._model.model_variables import model_variables
from keras_initx._model.redraw import new_value
from keras_initx._model.variable_seeds import VariableSeeds
from keras_initx.schemes._critical.point import Point

_OWNER = "critical"


class Drawn:
    """Draws what the points of a model ask for, each variable from a seed of its own.

    Args:
        model: keras.layers.Layer.
        initializer: What draws the kernels, or None: the present ones are scaled.
        seed: int, `keras.random.SeedGenerator` or None.
        changes: Changes.
    """

    def __init__(
        self, model: keras.layers.Layer, initializer: Any, seed: Any, changes: Changes
    ) -> None:
        self._initializer = (
            None if initializer is None else keras.initializers.get(initializer)
        )
        self._seeds = VariableSeeds(_OWNER, seed)
        self._changes = changes
        self._model = model
        self._paths: dict[int, str] = {}

    def __call__(self, points: list[Point]) -> None:
        """Draws the kernels and biases of all layers that are set."""
        # Here the model is built.
        found = model_variables(self._model)
        self._paths = {id(each.variable): each.path for each in found}
        for point in points:
            if point.is_set:
                self._draw(point)

    def _draw(self, point: Point) -> None:
        described = point.chain.described
        for kernel, axes in described.kernels:
            sigma = point.sigma_w if kernel is described.kernel else 1.0
            self._draw_kernel(kernel, axes, sigma)
        if described.bias is not None:
            self._draw_bias(described.bias, point.sigma_b)

    def _draw_kernel(
        self, kernel: keras.Variable, axes: KernelAxes, sigma: float
    ) -> None:
        """A kernel of mean square sigma^2 / fan_in, exactly."""
        if self._initializer is not None:
            with allow_interrupts():
                seed = self._seed(kernel)
                value = new_value(self._initializer, kernel, axes, 1, seed)
            self._changes.assign(kernel, value)
        mean, variance = mean_and_variance(stored(kernel), ())
        mean_square = float((mean**2 + variance).item())
        if not (math.isfinite(mean_square) and mean_square > 0):
            raise _validate.error(
                _OWNER,
                "kernels that are finite and not zero",
                f"the kernel {kernel.path!r} of mean square {mean_square:g}",
                "Use an `initializer` that draws at random, for example "
                "'haar_orthogonal'.",
            )
        factor = sigma / math.sqrt(fans(axes)[0] * mean_square)
        self._changes.scale(kernel, np.asarray(factor))

    def _draw_bias(self, bias: keras.Variable, sigma: float) -> None:
        shape = tuple(bias.shape)
        value: Any = np.zeros(shape, "float32")
        if sigma > 0:
            with allow_interrupts():
                value = sigma * normal(shape, "float32", self._seed(bias))
        self._changes.assign(bias, value)

    def _seed(self, variable: keras.Variable) -> Any:
        return self._seeds(self._paths.get(id(variable), variable.path))
