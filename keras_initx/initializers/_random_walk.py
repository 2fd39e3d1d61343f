"""Gaussian kernels whose scale keeps the mean log-norm of the gradient."""

import math
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.random import normal
from keras_initx._registry import register
from keras_initx.activations._elementwise import find
from keras_initx.activations._gain_argument import (
    config_of,
    config_of_activation,
    gain_of,
)
from keras_initx.activations._log_norm_gain import log_norm_gain_for
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
    networks.

    These formulas are the paper's, and approximate. For ReLU, `1.2 / (N - 2.4)` is a
    fit: with N = 6 the log-norm grows by 0.065 in each layer, and from N = 10 on it
    changes by less than 0.005. The value for tanh is not derived. The paper has no
    formula for it, and TensorFlow's original implementation says that 1.13 works well
    for many widths. In deep networks without biases we measure a drift of -0.047 a
    layer with N = 6, -0.021 with N = 20, -0.004 with N = 50 and +0.006 with N = 512.

    With `exact=True` the gain is the one at which the mean step is zero, for any N and
    any elementwise activation f. This is derived here:

        log(g^2) = log(n) - E[log(sum_i f'(sqrt(q) z_i)^2 w_i^2)]

    with n = fan_in, and z_i and w_i independent and N(0, 1). If f' can be 0, the mean
    is over the gradients that are not blocked as a whole. With the digamma function psi
    and K ~ Bin(n, 1/2), given K > 0, it is

        g = sqrt(n / 2) exp(-psi(n / 2) / 2)           for linear units
        g = sqrt(n / 2) exp(-E[psi(K / 2)] / 2)        for ReLU

    For these two and for leaky ReLU it holds in whole networks without biases, because
    the size of the pre-activations does not matter. For other activations it holds for
    one layer whose pre-activations are N(0, q). A network must keep that q. Without
    biases, tanh, GELU and SiLU do not: take the biases and the q of `critical_point`
    there. In tanh networks of this kind with q = 1 and N = 20 we measure a drift of
    -0.006 a layer, where the gain for wide layers gives -0.053.

    Examples:
    >>> initializer = keras_initx.initializers.RandomWalk(activation="tanh", seed=0)
    >>> layer = keras.layers.Dense(64, "tanh", kernel_initializer=initializer)
    >>> exact = keras_initx.initializers.RandomWalk("leaky_relu", exact=True)
    >>> layer = keras.layers.Dense(8, "leaky_relu", kernel_initializer=exact)

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. The units of the
            network: `"linear"`, `"relu"` or `"tanh"`. With `exact=True` any elementwise
            activation, as in `activations.gain`; where a network has several, the one
            that makes the layer's inputs. To load a saved model with an unregistered
            function, pass `custom_objects`. Defaults to `"relu"`.
        mode: str. What N counts. `"fan_in"` holds the log-norm of the gradient, also in
            layers that are not square. `"fan_out"` holds the mean square of the
            gradient's entries instead: the norm then changes by the factor
            `sqrt(fan_in / fan_out)` in each layer. An exact g is that of n = fan_in in
            both modes. The paper has square layers only. Defaults to `"fan_in"`.
        gain: float, str, callable, `keras.layers.Layer` or None. Replaces the g above.
            A positive number; or an activation, of which `activations.gain` is taken.
            Defaults to `None`.
        seed: ...
        input_axes: ... Spatial axes count in both fans, which is our extension. In a
            convolution `exact` is exact for the gradient of a single output pixel, and
            a little too large for that of many.
        output_axes: ...
        batch_axes: ...
        exact: bool. Whether g is exact, instead of the paper's. Defaults to `False`.
        q: float. The mean square of the pre-activations, for `exact=True`. Positive.
            It does not matter for linear units, ReLU and leaky ReLU. Defaults to `1.0`.

    Raises:
        ValueError: If `activation` or `mode` is unknown, if `gain` is neither positive
            nor an elementwise activation, if `gain` is given with `exact=True` or `q`
            without it, if `q` is not positive, or if an exact gain does not exist.

    Reference:
        Sussillo and Abbott 2014, "Random walk initialization for training very deep
        feedforward networks", section 2.3, https://arxiv.org/abs/1412.6558.
    """

    def __init__(
        self,
        activation: Any = "relu",
        mode: str = "fan_in",
        gain: Any = None,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
        exact: bool = False,
        q: float = 1.0,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        self.mode = _validate.choice("RandomWalk", "mode", mode, ("fan_in", "fan_out"))
        self.gain = None if gain is None else gain_of("RandomWalk", gain)
        self.exact = bool(exact)
        self.q = _validate.positive("RandomWalk", "q", q)
        self._check_together()
        if self.exact:
            self._exact_gain = log_norm_gain_for("RandomWalk", activation, self.q)
            self.activation = _kept(activation)
        else:
            self.activation = _of_the_paper(activation)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        n = axes.fan_in if self.mode == "fan_in" else axes.fan_out
        if self.exact:
            # So many entries has the gradient that comes back, in both modes.
            gain = self._exact_gain(axes.fan_in)
        elif self.gain is not None:
            gain = self.gain
        else:
            gain = _GAINS[self.activation](n)
        return gain / math.sqrt(n) * normal(axes.shape, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "activation": _written(self.activation),
            "mode": self.mode,
            "gain": None if self.gain is None else config_of(self.gain),
            "exact": self.exact,
            "q": self.q,
            **super().get_config(),
        }

    def _check_together(self) -> None:
        """Raises if one of the arguments would have no effect."""
        if self.exact and self.gain is not None:
            raise _validate.error(
                "RandomWalk",
                "either a `gain` or `exact=True`",
                f"gain={config_of(self.gain)!r}, exact=True",
                "The exact gain is computed: leave one of the two out.",
            )
        if self.q != 1.0 and not self.exact:
            raise _validate.error(
                "RandomWalk",
                "`exact=True` for a `q`",
                f"q={self.q!r}, exact=False",
                "The formulas of the paper have no q: leave it out, or pass "
                "`exact=True`.",
            )


def _of_the_paper(activation: Any) -> str:
    """The name of an activation that the paper has a gain for."""
    if not isinstance(activation, str) or activation not in _GAINS:
        names = ", ".join(repr(name) for name in _GAINS)
        raise _validate.error(
            "RandomWalk",
            "an `activation` that the paper has a gain for",
            f"activation={activation!r}",
            f"Choose one of: {names}. Or pass `exact=True`, which takes any "
            "elementwise activation.",
        )
    return activation


def _kept(activation: Any) -> Any:
    """The activation as a name, a function, or the config of a layer.

    A layer may get weights later. Those that it has would be lost in a file.
    """
    if isinstance(activation, keras.Layer) and activation.weights:
        raise _validate.error(
            "RandomWalk",
            "an `activation` without weights for `exact=True`",
            f"activation={activation!r}",
            "Pass a layer that is not built, for example keras.layers.LeakyReLU(0.1).",
        )
    if activation is None:
        return "linear"
    if isinstance(activation, dict):
        activation = find(activation)
    return _written(activation) if isinstance(activation, keras.Layer) else activation


def _written(activation: Any) -> Any:
    """The same as plain JSON, or as it is if Keras has to write it."""
    written = config_of_activation(activation)
    return activation if written is None else written
