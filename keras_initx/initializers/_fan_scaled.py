"""The fan rules: LeCun, Glorot, He and the others, in each layer type."""

import math
from typing import Any

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.borders import equal_shares
from keras_initx._kernel.fan_rule import DISTRIBUTIONS, MODES, fan, fans, standard
from keras_initx._registry import register
from keras_initx.activations._gain_argument import config_of, gain_of
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.axes_initializer import AxesInitializer
from keras_initx.initializers._base.image_size import factor_for, image_size_of


@register("initializers", "fan_scaled")
@shared_arguments
class FanScaled(AxesInitializer):
    """Draws a kernel whose variance follows from what the layer sums.

        variance = gain^2 * scale / n

        n = fan_in                                 mode="fan_in"
        n = fan_out                                mode="fan_out"
        n = (fan_in + fan_out) / 2                 mode="fan_avg"
        n = sqrt(fan_in * fan_out)                 mode="fan_geo_avg"
        n = fan_in * max(1, fan_in / fan_out)      mode="spectral"

    One output sums `fan_in` inputs, and one input goes to `fan_out` outputs. So
    `"fan_in"` keeps the mean square of the signal and `"fan_out"` that of the gradient.
    With `"spectral"` the norm of a normal kernel is that of muP: about
    `sqrt(fan_out / fan_in)`, up to a factor that does not grow with the width. The
    standard deviation is then `sqrt(1 / fan_in) * min(1, sqrt(fan_out / fan_in))`.

    | the rule of | is |
    |---|---|
    | LeCun | `FanScaled()` |
    | He | `FanScaled(2.0)`, or `FanScaled(gain="relu")` |
    | Glorot | `FanScaled(mode="fan_avg")` |

    Keras's classes of these names count the fans of a dense layer or of a plain
    convolution. This class counts them right in others too, if it is told what the
    layer does:

    - Attention layers and `EinsumDense` tell their axes themselves.
    - A grouped convolution needs `groups`.
    - A convolution with strides needs `strides`, the product of them: one input then
      goes to fewer outputs.
    - A depthwise convolution needs `batch_axes=[-2]`.
    - A transposed convolution needs `input_axes=[-1]`, `output_axes=[-2]` and
      `strides`: one output then sums fewer inputs.
    - An embedding looks one row up, so its fan-in is 1. It needs `batch_axes=[-2]`.

    Functions of this package that draw the kernels of a built model know all this by
    themselves, also for Keras's classes. With `image_size` a kernel makes up for what
    zero padding loses at the borders of an image too, see `border_gain`.

    Examples:
    >>> he = keras_initx.initializers.FanScaled(gain="relu", distribution="normal")
    >>> layer = keras.layers.Dense(64, "relu", kernel_initializer=he)
    >>> up = keras_initx.initializers.FanScaled(
    ...     mode="fan_avg", strides=2 * 2, input_axes=[-1], output_axes=[-2]
    ... )
    >>> layer = keras.layers.Conv2DTranspose(8, 4, strides=2, kernel_initializer=up)

    Args:
        scale: float. A factor of the variance. Positive. Defaults to `1.0`.
        mode: str. What n is: `"fan_in"`, `"fan_out"`, `"fan_avg"`, `"fan_geo_avg"` or
            `"spectral"`. Defaults to `"fan_in"`.
        distribution: str. `"normal"`; `"truncated_normal"`, which has no values beyond
            two deviations of the normal distribution that was cut; or `"uniform"`. All
            have the variance above. Defaults to `"truncated_normal"`.
        gain: float, str, callable or `keras.layers.Layer`. A factor of the standard
            deviation. A positive number; or an activation, by its name, as a function
            or as a layer, of which `activations.gain` is taken. Defaults to `1.0`.
        groups: int. The `groups` of a grouped convolution: an input goes only to the
            outputs of its group. Defaults to `1`.
        strides: int. The product of the strides of a convolution. Defaults to `1`.
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...
        image_size: ...

    Raises:
        ValueError: If `scale` is not positive, `mode` or `distribution` is unknown,
            `gain` is neither positive nor an elementwise activation, `groups`,
            `strides` or `image_size` is not a positive integer, `groups` does not
            divide the number of output channels, or `image_size` does not fit the
            kernel.

    Reference:
        - LeCun, Bottou, Orr and Müller 1998, "Efficient backprop", section 4.6.
        - Glorot and Bengio 2010, "Understanding the difficulty of training deep
          feedforward neural networks", section 4.2.1,
          https://proceedings.mlr.press/v9/glorot10a.html.
        - He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers", section 2.2,
          https://arxiv.org/abs/1502.01852.
        - The spectral rule: Yang, Simon and Bernstein 2023, "A spectral condition for
          feature learning", https://arxiv.org/abs/2310.17813.
    """

    may_draw_on_device = True

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        gain: Any = 1.0,
        groups: int = 1,
        strides: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
        image_size: Any = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        self.scale = _validate.positive("FanScaled", "scale", scale)
        self.mode = _validate.choice("FanScaled", "mode", mode, MODES)
        self.distribution = _validate.choice(
            "FanScaled", "distribution", distribution, DISTRIBUTIONS
        )
        self.gain = gain_of("FanScaled", gain)
        self.groups = _validate.positive_integer("FanScaled", "groups", groups)
        self.strides = _validate.positive_integer("FanScaled", "strides", strides)
        self.image_size = image_size_of("FanScaled", image_size)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        n = fan(self.mode, *fans(axes))
        deviation = self.gain * math.sqrt(self.scale / n)
        deviation *= factor_for("FanScaled", self.image_size, axes, equal_shares)
        return deviation * standard(self.distribution, axes.shape, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "gain": config_of(self.gain),
            "groups": self.groups,
            "strides": self.strides,
            **super().get_config(),
            "image_size": self.image_size,
        }
