"""Transposed convolutions that start as bilinear upsampling."""

import functools
from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.fixed_initializer import FixedInitializer
from keras_initx.initializers._base.scales import scales_for, scales_of


@register("initializers", "bilinear")
@shared_arguments
class Bilinear(FixedInitializer):
    """Fills a transposed convolution that starts as bilinear upsampling.

        K[t, j, i] = prod_a max(0, 1 - abs(t_a - c_a) / s_a)    if i = j, else 0
        c_a = (k_a - s_a) // 2 + (s_a - 1) / 2

    for kernel sizes k and strides s. With `padding="same"` the layer computes what
    `UpSampling2D(size, interpolation="bilinear")` does, except for the pixels at the
    border, where zeros lie outside. With `padding="valid"` it computes the same, with
    more pixels around it. In one dimension the interpolation is linear, in three it is
    trilinear.

    The kernel must be as large as `2 * s` for even and `2 * s - 1` for odd strides, or
    larger. The usual sizes are these: 4 for strides of 2, 5 for 3, 8 for 4, 16 for 8.

    If the numbers of channels differ, the first `min(in_channels, out_channels)` are
    upsampled, and the other outputs are zero. With `batch_axes=[-2]`, in a depthwise
    convolution, each channel is smoothed by this filter: after zeros were put between
    the pixels, that is an upsampling too.

    Examples:
    >>> layer = keras.layers.Conv2DTranspose(
    ...     3, 4, strides=2, padding="same", kernel_initializer="bilinear"
    ... )
    >>> x = keras.random.normal((1, 6, 6, 3), seed=0)
    >>> up = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    >>> inside = (layer(x) - up)[:, 1:-1, 1:-1]
    >>> bool(keras.ops.all(keras.ops.abs(inside) < 1e-5))
    True

    Args:
        scale: int, list of int or None. The strides of the layer, one for all spatial
            axes or one for each. Defaults to `None`, which means those for which the
            kernel has the usual size.
        input_axes: list of int or None. The axes of the inputs. Which axis of the
            channels is which makes no difference here. Defaults to `None`, which means
            `[-2]`.
        output_axes: list of int or None. The axes of the outputs. Defaults to `None`,
            which means `[-1]`.
        batch_axes: ...

    Raises:
        ValueError: If `scale` is not positive, does not fit the number of spatial axes,
            is too large for the kernel, or is None and the kernel has not the usual
            size.

    Reference:
        Long, Shelhamer and Darrell 2015, "Fully convolutional networks for semantic
        segmentation", section 3.3, https://arxiv.org/abs/1411.4038.
    """

    def __init__(
        self,
        scale: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(input_axes, output_axes, batch_axes)
        self.scale = None if scale is None else scales_of("Bilinear", scale)

    def check(self, axes: KernelAxes) -> None:
        sizes = axes.sizes(axes.spatial)
        for size, scale in zip(sizes, self._scales(axes), strict=True):
            if size < 2 * scale - scale % 2:
                raise _validate.error(
                    "Bilinear",
                    "a kernel size of at least 2 * strides, or 2 * strides - 1 for "
                    "odd strides",
                    f"shape={axes.shape} with the spatial sizes {sizes}, "
                    f"scale={self.scale}",
                    "Take a larger kernel.",
                )

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        sizes = axes.sizes(axes.spatial)
        filters = map(_triangle, sizes, self._scales(axes))
        field = functools.reduce(np.multiply.outer, filters, np.ones(()))
        channels = np.ones((1, axes.count(axes.output)))
        if axes.input:
            channels = np.eye(axes.count(axes.input), axes.count(axes.output))
        batch = np.ones(axes.count(axes.batch))
        kernel = np.multiply.outer(batch, np.multiply.outer(field, channels))
        kernel = kernel.astype(dtype)
        return axes.kernel(kernel, axes.batch + axes.spatial + axes.input + axes.output)

    def _scales(self, axes: KernelAxes) -> list[int]:
        """The strides along each spatial axis."""
        sizes = axes.sizes(axes.spatial)
        if self.scale is not None:
            return scales_for("Bilinear", self.scale, axes)
        # 4 m = 2 s for even s; 4 m + 1 = 2 s - 1 for odd s.
        if any(size % 4 not in (0, 1) for size in sizes):
            raise _validate.error(
                "Bilinear",
                "the `scale` of a kernel that has not the usual size for any strides",
                f"scale=None, shape={axes.shape} with the spatial sizes {sizes}",
                "Pass the strides of the layer as `scale`.",
            )
        return [(size + 1) // 2 for size in sizes]

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, **super().get_config()}


def _triangle(size: int, scale: int) -> np.ndarray:
    """The weights with which one pixel goes to its neighbours, along one axis."""
    center = (size - scale) // 2 + (scale - 1) / 2
    return np.maximum(0, 1 - np.abs(np.arange(size) - center) / scale)
