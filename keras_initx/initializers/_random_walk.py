"""Gaussian kernels whose scale keeps the mean log-norm of the gradient."""

import math
from typing import Any

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.random import normal
from keras_initx._registry import register
from keras_initx.activations._gain_argument import config_of, gain_of
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.axes_initializer import AxesInitializer

_GAINS = {
    "linear": lambda n: math.exp(1 / (2 * n)),
    "relu": lambda n: math.sqrt(2) * math.exp(1.2 / (max(n, 6) - 2.4)),
    "tanh": lambda n: 1.13,
}


@register("initializers", "random_walk")
@shared_arguments
class RandomWalk(AxesInitializer):
    """Draws weights so that the log-norm of the gradient makes an unbiased random walk.

        K ~ N(0, g^2 / N)
        g = exp(1 / (2 N))                          for linear units
        g = sqrt(2) exp(1.2 / (max(N, 6) - 2.4))    for ReLU
        g = 1.13                                    for tanh

    In the backward pass a layer multiplies the gradient by a random matrix, so the
    logarithm of its norm makes one random step. The usual gains, 1 for linear units and
    the sqrt(2) of He for ReLU, keep the mean of the squared norm. Its logarithm then
    falls by about `1 / (2 N)` in each linear layer and `1.25 / N` in each ReLU layer.
    Here the steps of the logarithm have mean zero. That matters in deep and narrow
    networks. For ReLU, `1.2 / (N - 2.4)` is a fit of the paper.

    The value for tanh is not derived. The paper has no formula for it, and TensorFlow's
    original implementation says that 1.13 works well for many widths.

    Examples:
    >>> initializer = keras_initx.initializers.RandomWalk(activation="tanh", seed=0)
    >>> layer = keras.layers.Dense(64, "tanh", kernel_initializer=initializer)

    Args:
        activation: str. The units that follow: `"linear"`, `"relu"` or `"tanh"`.
            Defaults to `"relu"`.
        mode: str. What N counts. `"fan_in"` holds the log-norm of the gradient, also in
            layers that are not square. `"fan_out"` holds the mean square of the
            gradient's entries instead: the norm then changes by the factor
            `sqrt(fan_in / fan_out)` in each layer. The paper has square layers only.
            Defaults to `"fan_in"`.
        gain: float, str, callable, `keras.layers.Layer` or None. Replaces the g above.
            A positive number; or an activation, of which `activations.gain` is taken.
            Defaults to `None`.
        seed: ...
        input_axes: ... Spatial axes count in both fans, which is our extension.
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `activation` or `mode` is unknown, or if `gain` is neither
            positive nor an elementwise activation.

    Reference:
        Sussillo and Abbott 2014, "Random walk initialization for training very deep
        feedforward networks", section 2.3, https://arxiv.org/abs/1412.6558.
    """

    def __init__(
        self,
        activation: str = "relu",
        mode: str = "fan_in",
        gain: Any = None,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        self.activation = _validate.choice(
            "RandomWalk", "activation", activation, tuple(_GAINS)
        )
        self.mode = _validate.choice("RandomWalk", "mode", mode, ("fan_in", "fan_out"))
        self.gain = None if gain is None else gain_of("RandomWalk", gain)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        n = axes.fan_in if self.mode == "fan_in" else axes.fan_out
        gain = _GAINS[self.activation](n) if self.gain is None else self.gain
        return gain / math.sqrt(n) * normal(axes.shape, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "activation": self.activation,
            "mode": self.mode,
            "gain": None if self.gain is None else config_of(self.gain),
            **super().get_config(),
        }
