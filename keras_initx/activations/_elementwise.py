"""What an activation is: a name, a function or a layer, as a function of numbers."""

import functools
import math
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx import _validate
from keras_initx._backend.gradients import gradient

# So many points are evaluated at a time, always the same number, because JAX compiles
# each operation for one shape. With more points PyTorch starts threads, which takes
# much longer than the work.
_CHUNK = 2**11
# The step of a difference quotient in float64: its rounding error is about as small.
_STEP = 2.0**-25

_Function = Callable[[np.ndarray], np.ndarray]


def find(activation: Any) -> Callable[[Any], Any] | None:
    """The function or layer of what Keras takes as an activation, or None."""
    try:
        found = keras.activations.get(activation)
    except (TypeError, ValueError):
        return None
    # Keras takes a class for a function, although it returns a layer.
    return None if isinstance(found, type) else found


def name_of(activation: Any) -> str | None:
    """The name by which Keras finds this function, or the name that it is; or None."""
    if isinstance(activation, str):
        return activation
    name = getattr(activation, "__name__", None)
    is_found = isinstance(activation, types.FunctionType) and find(name) is activation
    return name if is_found else None


def unrounded(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An equal function that stays in float64, where Keras has one.

    Keras computes tanh of a float64 tensor in float32 on JAX, but not `tanh_shrink`.
    """
    if function is keras.activations.tanh:
        return lambda x: x - keras.activations.tanh_shrink(x)
    return function


class Elementwise:
    """An activation on float64 numbers: its values and its derivative.

    Both have one row for each point. A row has one number for each unit of a layer
    whose units may differ (PReLU). Otherwise it has one number, or some equal numbers.
    Use it within `eagerly`.

    Args:
        owner: str. The function or class that errors name.
        activation: A name, function, layer or config, as in Keras.
        argument: str. The name of this argument of the owner. Defaults to
            `"activation"`.
        function: callable or None. The function to use, where `activation` is only what
            errors show. Defaults to `None`.
    """

    def __init__(
        self,
        owner: str,
        activation: Any,
        argument: str = "activation",
        function: Callable[[Any], Any] | None = None,
    ) -> None:
        self._owner = owner
        name = getattr(activation, "__name__", None)
        self._received = f"{argument}={name or repr(activation)}"
        found = find(activation) if function is None else function
        if found is None:
            raise self.error(
                "a known activation",
                advice="Pass the name of a Keras activation, a function or a layer.",
            )
        self._found = unrounded(found)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The values f at each of these points."""
        return self._by_chunks(self._values, points)

    def derivative(self, points: np.ndarray) -> np.ndarray:
        """The slopes f' at each of these points: the gradient that training uses."""
        return self._by_chunks(self._slopes, points)

    def curvature(self, points: np.ndarray) -> np.ndarray:
        """The second derivatives f'' at each of these points."""
        return self._by_chunks(self._curvatures, points)

    def error(self, needs: str, detail: str = "", advice: str = "") -> ValueError:
        """The exception for an activation that does not fit."""
        advice = advice or "Pass the activation of single units, for example 'relu'."
        return _validate.error(self._owner, needs, self._received + detail, advice)

    @functools.cached_property
    def _on_units(self) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
        """The function, and the shape of its units if they may differ."""
        if not isinstance(self._found, keras.Layer):
            return self._found, ()
        try:
            return as_function(self._found)
        except Exception as failure:
            raise self.error(
                "a layer that can be made again from its config",
                f", which raised {type(failure).__name__}: {failure}",
                "Build the layer and pass its `call`, or pass a function.",
            ) from failure

    @functools.cached_property
    def _probe(self) -> np.ndarray:
        return self._to_units(np.linspace(-3, 3, self._rows))

    @functools.cached_property
    def _values(self) -> _Function:
        """Computes f with tensors, or with NumPy arrays if tensors fail."""
        function, _ = self._on_units
        failures = []
        for way in (
            _with_tensors(function, "float64"),
            # TensorFlow does not add a float32 constant to a float64 tensor.
            _with_tensors(function, "float32"),
            lambda points: _to_numpy(function(points)),
        ):
            try:
                is_elementwise = self._is_elementwise(way)
            except Exception as failure:
                failures.append(failure)
                continue
            if not is_elementwise:
                raise self.error("an elementwise activation")
            return way
        first = failures[0]
        raise self.error(
            "an activation that is a function of one tensor",
            f", which raised {type(first).__name__}: {first}",
        ) from first

    def _is_elementwise(self, values: _Function) -> bool:
        """Whether a change of every second number changes no other value."""
        before = values(self._probe)
        # The fields of one colour on a chessboard.
        is_changed = np.indices(self._probe.shape).sum(axis=0) % 2 == 1
        after = values(self._probe + is_changed)
        return before.shape == self._probe.shape and np.allclose(
            after[~is_changed], before[~is_changed], rtol=1e-3, equal_nan=True
        )

    @functools.cached_property
    def _slopes(self) -> _Function:
        """Computes f' by the backend, or by a difference quotient (NumPy)."""
        function, _ = self._on_units
        return self._differentiated(gradient(function), self._values)

    @functools.cached_property
    def _curvatures(self) -> _Function:
        """Computes f'' as `_slopes` does; TensorFlow cannot do it for all functions."""
        function, _ = self._on_units
        return self._differentiated(gradient(gradient(function)), self._slopes)

    def _differentiated(
        self, derivative: Callable[[Any], Any], values: _Function
    ) -> _Function:
        """The derivative with tensors, or of the values if tensors fail."""
        for dtype in ("float64", "float32"):
            way = _with_tensors(derivative, dtype)
            try:
                way(self._probe)
            except Exception:
                continue
            return way
        return functools.partial(_difference_quotient, values)

    @property
    def _rows(self) -> int:
        return max(2, _CHUNK // math.prod(self._on_units[1]))

    def _by_chunks(self, function: _Function, points: np.ndarray) -> np.ndarray:
        rows, units = self._rows, math.prod(self._on_units[1])
        results = np.empty((len(points), units))
        for start in range(0, len(points), rows):
            chunk = points[start : start + rows]
            values = function(self._to_units(np.resize(chunk, rows)))
            results[start : start + rows] = values.reshape(rows, units)[: len(chunk)]
        return results

    def _to_units(self, points: np.ndarray) -> np.ndarray:
        """One row for each point, with all units; two points in a row without units."""
        _, shape = self._on_units
        if not shape:
            return points.reshape(-1, 2)
        return points.reshape(-1, *(1,) * len(shape)) * np.ones(shape)


def _with_tensors(function: Callable[[Any], Any], dtype: str) -> _Function:
    return lambda points: _to_numpy(function(ops.convert_to_tensor(points, dtype)))


def _to_numpy(values: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(values), "float64")


def _difference_quotient(function: _Function, points: np.ndarray) -> np.ndarray:
    """The smaller one of the quotients to the left and right: a jump is in one only."""
    before, here, after = (function(points + step) for step in (-_STEP, 0, _STEP))
    left, right = (here - before) / _STEP, (after - here) / _STEP
    return np.where(np.abs(left) < np.abs(right), left, right)


def as_function(layer: keras.Layer) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """The function of a layer, and the shape of its units if they may differ.

    The function is `call`, which leaves out the casts of a dtype policy. The layer
    itself is not changed.
    """
    if layer.built and not layer.weights:
        return layer.call, ()
    shape = _unit_shape(layer)
    config = layer.get_config()
    if "dtype" in config:
        config["dtype"] = "float64"
    copy = type(layer).from_config(config)
    copy.build((None, *shape))
    if layer.built:
        copy.set_weights(layer.get_weights())
    return copy.call, shape


def _unit_shape(layer: keras.Layer) -> tuple[int, ...]:
    """The shape of the units of a layer with weights, with 1 for an unknown size."""
    shared = getattr(layer, "shared_axes", None) or []
    if not layer.built:
        return (2,) * max([1, *shared])
    _, *sizes = layer.get_build_config()["input_shape"]
    return tuple(
        1 if axis in shared or size is None else size
        for axis, size in enumerate(sizes, start=1)
    )
