"""What is applied between two kernels, as one function of the pre-activation."""

import functools
import json
from collections.abc import Callable
from typing import Any

import keras

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._elementwise import as_function, name_of, unrounded
from keras_initx.activations._stability import Stability, stability_of
from keras_initx.activations._unit import Unit, unit_of

_OWNER = "critical"


class Applied:
    """The activations that follow a kernel, one after the other.

    Attributes:
        name: str. For reports; `"linear"` for none.
    """

    def __init__(self, activations: tuple[Any, ...]) -> None:
        self.name = ", ".join(map(_label, activations)) or "linear"
        self._function = _composed(activations)
        self._moments: dict[float, tuple[float, float]] = {}

    @functools.cached_property
    def unit(self) -> Unit:
        """Its moments on normal pre-activations."""
        return unit_of(_OWNER, self._function)

    @functools.cached_property
    def stability(self) -> Stability:
        """Where its critical points are stable."""
        return stability_of(_OWNER, self._function)

    def moments(self, q: float) -> tuple[float, float]:
        """The mean squares of its values and of its slopes, at the variance q."""
        if q not in self._moments:
            self._moments[q] = _moments(self.unit, q)
        return self._moments[q]

    def second_moment(self, q: float) -> float:
        """The mean square of its values, at the variance q."""
        return self.moments(q)[0]


class Applications:
    """All that is applied in a model. Equal activations are looked at once."""

    def __init__(self) -> None:
        self._known: dict[Any, Applied] = {}

    def of(self, activations: tuple[Any, ...]) -> Applied:
        """What these activations do together."""
        key = tuple(map(_key, activations))
        if key not in self._known:
            self._known[key] = Applied(activations)
        return self._known[key]


@eagerly
def _moments(unit: Unit, q: float) -> tuple[float, float]:
    moment = unit.checked_second_moment(q)
    unit.refuse_jumps(q)
    return moment, unit.checked_slope_moment(q)


def _composed(activations: tuple[Any, ...]) -> Any:
    if len(activations) < 2:
        return activations[0] if activations else "linear"
    functions: list[Callable[[Any], Any]] = []

    def composed(x: Any) -> Any:
        # Copies of layers that compute in float64, made where they are needed.
        if not functions:
            functions.extend(map(_exact, activations))
        return functools.reduce(lambda value, f: f(value), functions, x)

    return composed


def _exact(activation: Any) -> Callable[[Any], Any]:
    """An activation without the casts of a layer."""
    if isinstance(activation, keras.layers.Layer):
        return as_function(activation)[0]
    return unrounded(activation)


def _label(activation: Any) -> str:
    """The name of an activation, or its class."""
    if isinstance(activation, functools.partial):
        activation = activation.func
    name = getattr(activation, "__name__", type(activation).__name__)
    return name_of(activation) or str(name)


def _key(activation: Any) -> Any:
    """What equal activations have in common. A PReLU may learn."""
    if not isinstance(activation, keras.layers.Layer) or activation.weights:
        return id(activation)
    try:
        config = {**activation.get_config(), "name": ""}
        return type(activation), json.dumps(config, sort_keys=True)
    except (TypeError, NotImplementedError):
        return id(activation)
