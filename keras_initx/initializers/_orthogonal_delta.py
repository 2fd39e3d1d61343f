"""Delta-orthogonal convolutions."""

from typing import Any

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.delta import delta
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.semi_orthogonal import SemiOrthogonalInitializer


@register("initializers", "orthogonal_delta", "delta_orthogonal")
@shared_arguments
class OrthogonalDelta(SemiOrthogonalInitializer):
    """Puts a semi-orthogonal matrix at one tap of a convolution, zeros elsewhere.

        K[t, :, :] = gain * Q    at the tap t, and 0 at all others

    with Q Haar-random of shape `(in_channels, out_channels)`. Its rows are orthonormal
    if there are no more inputs than outputs, and its columns are otherwise. A
    convolution with stride 1 and `padding="same"` then applies `gain * Q` to each
    pixel, also at the borders. With orthonormal rows it multiplies the norm of every
    input by `gain`. Very deep convolutional networks then train without normalization
    or skip connections. A kernel of rank 2 is plain orthogonal.

    With more outputs than inputs the mean square of the outputs is multiplied by
    `gain^2 * in_channels / out_channels`. `scale="variance"` multiplies the kernel by
    `max(sqrt(out_channels / in_channels), 1)`, so that it is multiplied by `gain^2` in
    any shape.

    It is made for stride 1. An initializer cannot see strides:

    - With strides s, a convolution reads one pixel of each s x s block. A patch
      embedding of 16 x 16 pixels uses 1 of its 256 taps. Take `HaarOrthogonal` there.
    - A transposed convolution with strides s writes one pixel of each s x s block. The
      others are zero. Take `HaarOrthogonal` there too, with a kernel as large as the
      strides.
    - With an even kernel size and a dilation no tap falls on the pixel itself, so the
      image moves by at least one pixel. Take an odd kernel size.

    Examples:
    >>> kernel = keras_initx.initializers.OrthogonalDelta(seed=0)((3, 3, 8, 8))
    >>> at_centre = kernel[1, 1]
    >>> gram = keras.ops.matmul(at_centre, keras.ops.transpose(at_centre))
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(8)) < 1e-5))
    True
    >>> int((keras.ops.convert_to_numpy(kernel) != 0).sum())  # 8 x 8 at the centre
    64
    >>> layer = keras.layers.Conv2D(64, 3, kernel_initializer="orthogonal_delta")

    Args:
        gain: ...
        groups: ...
        tap: str. `"center"` is the tap `(k - 1) // 2` of each spatial axis. Keras's
            `padding="same"` puts the pixel itself there, also for even sizes. `"last"`
            is the tap `k - 1`, for `padding="causal"`. Defaults to `"center"`.
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...
        scale: ... Here `in` and `out` are the channels, in a group.
        strides: ... It matters in a transposed convolution with `scale="variance"`,
            whose kernel is multiplied by `sqrt(strides)`: the mean over all pixels,
            most of which are zero, is then `gain^2` times that of the inputs. With
            strides, a convolution reads fewer pixels, but each output is as large.

    Raises:
        ValueError: If `gain` is neither positive nor an elementwise activation, `tap`
            or `scale` is unknown, `groups` or `strides` is not positive, `groups` does
            not divide the number of output channels, or the kernel has more than three
            spatial axes.

    Reference:
        Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs",
        the delta-orthogonal initialization, https://arxiv.org/abs/1806.05393. For
        `scale="variance"`: Martens et al. 2021, "Rapid training of deep neural networks
        without skip connections or normalization layers using deep kernel shaping",
        https://arxiv.org/abs/2110.01765.
    """

    most_spatial_axes = 3
    may_draw_on_device = True

    def __init__(
        self,
        gain: Any = 1.0,
        groups: int = 1,
        tap: str = "center",
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
        scale: str = "isometry",
        strides: int = 1,
    ) -> None:
        super().__init__(
            gain, groups, seed, input_axes, output_axes, batch_axes, scale, strides
        )
        self.tap = _validate.choice("OrthogonalDelta", "tap", tap, ("center", "last"))

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        matrices = self.blocks(axes, axes.count(axes.input), dtype)
        return delta(matrices, axes, self.tap)

    def get_config(self) -> dict[str, Any]:
        return {"tap": self.tap, **super().get_config()}
