"""What a hidden unit does to normal pre-activations: a plain one, or a gated one.

A plain unit has the output f(a), of one pre-activation a. A gated unit has the output
f(a) b, of two independent ones, each with a kernel and a bias of its own (Dauphin et
al. 2017, Shazeer 2020). All pre-activations have the mean 0 and the variance q, and
x = sqrt(q) z with z ~ N(0, 1) is one of them.
"""

import math
from typing import Any

import keras

from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._normal_moments import (
    checked,
    product_moment,
    refuse_jumps,
    second_moment,
    slope_moment,
)

# The activation f of the gate. Keras knows the first name, as a function that splits
# its inputs, and none of the others.
_GATES = {
    "glu": "sigmoid",
    "bilinear": "linear",
    "reglu": "relu",
    "geglu": "gelu",
    "swiglu": "silu",
}


def gated_name(activation: Any) -> str | None:
    """The name of this gated unit; None if it is none."""
    if activation is keras.activations.glu:
        return "glu"
    return activation if isinstance(activation, str) and activation in _GATES else None


class Unit:
    """A plain unit: its moments, as functions of the variance q.

    `order` asks for the derivative of this order, up to 2, by ln q. A moment is exact
    to 1e-10 of itself, or of `size` if that is larger. Use it within `eagerly`.
    """

    def __init__(self, f: Elementwise) -> None:
        self.f = f
        self.error = f.error

    def second_moment(self, q: float, size: float = 0.0, order: int = 0) -> float:
        """The mean square of the output: E[f(x)^2]."""
        return second_moment(self.f, math.sqrt(q), size, order)

    def slope_moment(self, q: float, size: float = 0.0, order: int = 0) -> float:
        """The mean square of the gradient by the pre-activation: E[f'(x)^2]."""
        return slope_moment(self.f, math.sqrt(q), size, order)

    def product_moment(self, q: float, c: float) -> float:
        """E[f(x) f(y)], for pre-activations of two inputs with the correlation c."""
        return product_moment(self.f, math.sqrt(q), c)

    def checked_second_moment(self, q: float) -> float:
        """The mean square of the output. Raises unless it is finite and above 0."""
        return checked(self.f, self.second_moment(q))

    def checked_slope_moment(self, q: float) -> float:
        """That of the gradient. Raises an error unless it is finite and above 0."""
        return checked(self.f, self.slope_moment(q))

    def refuse_jumps(self, q: float, size: float = 0.0) -> None:
        """Raises an error if f jumps. Jumps of less than `size` do not count."""
        refuse_jumps(self.f, math.sqrt(q), size)


class GatedUnit(Unit):
    """A gated unit: the same of f(a) b, where E[b^2] is q.

    The gradient by a is f'(a) b, and the gradient by b is f(a). Both reach the inputs.
    """

    def second_moment(self, q: float, size: float = 0.0, order: int = 0) -> float:
        """The mean square of the output: q E[f(x)^2]."""
        return q * self._sum_of_orders(super().second_moment, q, size / q, order)

    def slope_moment(self, q: float, size: float = 0.0, order: int = 0) -> float:
        """The sum of both gradients' mean squares: q E[f'(x)^2] + E[f(x)^2]."""
        by_gate = self._sum_of_orders(super().slope_moment, q, size / q, order)
        return q * by_gate + super().second_moment(q, size, order)

    def product_moment(self, q: float, c: float) -> float:
        """The mean product of two outputs: q c E[f(x) f(y)]."""
        return q * c * super().product_moment(q, c)

    def refuse_jumps(self, q: float, size: float = 0.0) -> None:
        """Raises an error if f jumps. Jumps of less than `size` do not count."""
        super().refuse_jumps(q, size / math.sqrt(q))

    @staticmethod
    def _sum_of_orders(moment: Any, q: float, size: float, order: int) -> float:
        """The derivative of q moment(q) by ln q, divided by q (Leibniz)."""
        return sum(math.comb(order, k) * moment(q, size, k) for k in range(order + 1))


def unit_of(owner: str, activation: Any, argument: str = "activation") -> Unit:
    """The unit of an activation, or of the name of a gated unit."""
    name = gated_name(activation)
    if name is None:
        return Unit(Elementwise(owner, activation, argument))
    gate = keras.activations.get(_GATES[name])
    return GatedUnit(Elementwise(owner, activation, argument, function=gate))
