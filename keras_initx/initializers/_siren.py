"""Kernels of networks of sines."""

import math
from typing import Any

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import fans
from keras_initx._kernel.random import uniform
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.axes_initializer import AxesInitializer


@register("initializers", "siren")
@shared_arguments
class Siren(AxesInitializer):
    """Draws the kernels of a network whose activation is `sin(omega * x)`.

        K ~ U(-1 / n, 1 / n)                                   first=True
        K ~ U(-sqrt(6 / n) / omega, sqrt(6 / n) / omega)       first=False

    with n the fan-in. The first layer takes `first=True`, and all others `first=False`,
    also a linear last one. With coordinates from -1 to 1, omega then says how many
    periods the first layer shows, and the gradient does not vanish with depth.

    The deviation of `omega * x` is 0.893 in all layers far from the inputs, and that of
    the activations 0.631: the fixed point of q = 1 - exp(-2 q), with q the variance.
    The paper names 1 and 0.707, which hold near the first layer only.

    Examples:
    >>> sine = lambda x: keras.ops.sin(30.0 * x)
    >>> first = keras_initx.initializers.Siren(first=True)
    >>> model = keras.Sequential([
    ...     keras.Input((2,)),
    ...     keras.layers.Dense(64, sine, kernel_initializer=first),
    ...     keras.layers.Dense(64, sine, kernel_initializer="siren"),
    ...     keras.layers.Dense(3, kernel_initializer="siren"),
    ... ])

    Args:
        omega: float. The factor within the sine. Positive. Defaults to `30.0`.
        first: bool. Whether the layer is the first one. Defaults to `False`.
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `omega` is not positive.

    Reference:
        Sitzmann, Martel, Bergman, Lindell and Wetzstein 2020, "Implicit neural
        representations with periodic activation functions", section 3.2,
        https://arxiv.org/abs/2006.09661.
    """

    def __init__(
        self,
        omega: float = 30.0,
        first: bool = False,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        self.omega = _validate.positive("Siren", "omega", omega)
        self.first = bool(first)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        n, _ = fans(axes)
        limit = 1 / n if self.first else math.sqrt(6 / n) / self.omega
        return limit * (2 * uniform(axes.shape, self.seed, dtype) - 1)

    def get_config(self) -> dict[str, Any]:
        return {"omega": self.omega, "first": self.first, **super().get_config()}
