"""Upsampling layers that start as nearest-neighbour upsampling."""

import dataclasses
import math
from typing import Any

from keras_initx import _validate
from keras_initx._kernel.arrays import in_reach, namespace
from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.based_initializer import BasedInitializer
from keras_initx.initializers._base.scales import scales_for, scales_of

_METHODS = ("depth_to_space", "pixel_shuffle", "conv_transpose")


@register("initializers", "icnr")
@shared_arguments
class ICNR(BasedInitializer):
    """Draws a kernel whose sub-pixels start equal: no checkerboard in the image.

        depth_to_space(x * K) = nearest(x * K_base)      method="depth_to_space"
        pixel_shuffle(x * K) = nearest(x * K_base)       method="pixel_shuffle"
        conv_transpose(x, K) = nearest(x * K_base)       method="conv_transpose"

    A sub-pixel convolution makes `r` times as many channels, with r the product of
    `scale`, and an operation turns them into sub-pixels. Each filter of K_base, of
    `out_channels / r` channels, stands in K once for each of its r sub-pixels. Where
    these stand depends on the operation. `keras.ops.depth_to_space` takes all channels
    of one sub-pixel side by side. PyTorch's `PixelShuffle` takes all sub-pixels of one
    channel side by side. So does Keras's operation with `"channels_first"` on JAX and
    PyTorch, but not on TensorFlow.

    In a transposed convolution each tap of K_base, of the size `k / scale`, stands in K
    once for each sub-pixel. It needs `padding="valid"` and strides that are `scale`.

    K_base has the fans of its own shape, so the outputs have the variance that `base`
    gives them. A bias must be equal for all sub-pixels, as zeros are.

    Examples:
    >>> layer = keras.layers.Conv2D(
    ...     3 * 2 * 2, 3, padding="same", kernel_initializer="icnr"
    ... )
    >>> x = keras.random.normal((1, 4, 4, 8), seed=0)
    >>> image = keras.ops.depth_to_space(layer(x), 2)
    >>> image.shape == (1, 8, 8, 3)
    True
    >>> difference = image[:, ::2, ::2] - image[:, 1::2, 1::2]
    >>> bool(keras.ops.all(keras.ops.abs(difference) < 1e-6))
    True

    Args:
        base: str, dict or `keras.initializers.Initializer`. Draws K_base. It gets the
            axes, the groups and the seed of this initializer. Defaults to
            `"glorot_uniform"`.
        scale: int or list of int. By how much each spatial axis grows: one number for
            all of them, or one for each. Defaults to `2`.
        method: str. What makes the sub-pixels: `"depth_to_space"`, `"pixel_shuffle"`,
            or `"conv_transpose"` for the kernel of a transposed convolution, whose axes
            are then `[-1]` and `[-2]` if none are given. Defaults to
            `"depth_to_space"`.
        groups: ... With groups the method must be `"pixel_shuffle"`, because the
            sub-pixels of a channel have to be in one group.
        seed: ... None keeps the seed of `base`.
        input_axes: ...
        output_axes: ...
        batch_axes: ... In a depthwise convolution the method must be `"pixel_shuffle"`
            too.

    Raises:
        ValueError: If `base` is None, `scale` is not positive or does not fit the
            kernel, `method` is unknown, `scale` does not divide the number of output
            channels (in each group) or the kernel size, or the sub-pixels of a channel
            would be in several groups.

    Reference:
        Aitken, Ledig, Theis, Caballero, Wang and Shi 2017, "Checkerboard artifact free
        sub-pixel convolution: a note on sub-pixel convolution, resize convolution and
        convolution resize", section 3, https://arxiv.org/abs/1707.02937.
    """

    def __init__(
        self,
        base: Any = "glorot_uniform",
        scale: Any = 2,
        method: str = "depth_to_space",
        groups: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(base, groups, seed, input_axes, output_axes, batch_axes)
        self.scale = scales_of("ICNR", scale)
        self.method = _validate.choice("ICNR", "method", method, _METHODS)

    def read(self, shape: tuple[int, ...]) -> KernelAxes:
        names_none = self.input_axes is None and self.output_axes is None
        if self.method == "conv_transpose" and names_none:
            return KernelAxes.resolve(
                "ICNR", shape, [-1], [-2], self.batch_axes, self.groups
            )
        return super().read(shape)

    def check(self, axes: KernelAxes) -> None:
        if self.method == "conv_transpose":
            self._check_taps(axes)
        else:
            self._check_channels(axes)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        if self.method == "conv_transpose":
            steps = dict(zip(axes.spatial, self._scales(axes), strict=True))
        else:
            steps = {axes.output[-1]: math.prod(self._scales(axes))}
        shape = tuple(n // steps.get(axis, 1) for axis, n in enumerate(axes.shape))
        small = dataclasses.replace(axes, shape=shape)
        if self.method == "conv_transpose":
            # The layer that K_base stands for has no strides.
            small = dataclasses.replace(small, strides=1)
        kernel = in_reach(self.draw_base(small, dtype))
        xp = namespace(kernel)
        for axis, count in steps.items():
            if self.method == "depth_to_space":
                kernel = xp.concatenate([kernel] * count, axis=axis)
            else:
                kernel = xp.repeat(kernel, count, axis=axis)
        return kernel

    def _scales(self, axes: KernelAxes) -> list[int]:
        """The factor of each axis of the image."""
        if not axes.spatial and isinstance(self.scale, list):
            # A dense layer makes the channels of each pixel.
            return self.scale
        return scales_for("ICNR", self.scale, axes)

    def _check_taps(self, axes: KernelAxes) -> None:
        sizes, scales = axes.sizes(axes.spatial), self._scales(axes)
        if any(size % scale for size, scale in zip(sizes, scales, strict=True)):
            raise _validate.error(
                "ICNR",
                "a kernel size that is a multiple of `scale`, which are the strides",
                f"shape={axes.shape} with the spatial sizes {sizes}, scale="
                f"{self.scale}",
                "Take a kernel size of one or two times the strides.",
            )

    def _check_channels(self, axes: KernelAxes) -> None:
        if len(axes.output) != 1 or not (axes.spatial or isinstance(self.scale, list)):
            raise _validate.error(
                "ICNR",
                "a kernel with spatial axes and one axis of outputs",
                f"shape={axes.shape} with the spatial axes {axes.spatial} and the "
                f"output axes {axes.output}",
                "For a dense layer pass a `scale` for each axis of the image, for "
                "example [2, 2].",
            )
        if self.method == "depth_to_space" and (self.groups > 1 or axes.batch):
            raise _validate.error(
                "ICNR",
                "method='pixel_shuffle' in a grouped or depthwise convolution",
                f"method='depth_to_space', groups={self.groups}, "
                f"batch_axes={self.batch_axes}",
                "Otherwise the sub-pixels of one channel would be in several groups, "
                "which have different inputs.",
            )
        factor = self.groups * math.prod(self._scales(axes))
        if axes.count(axes.output) % factor:
            raise _validate.error(
                "ICNR",
                f"a number of output channels that is a multiple of {factor}",
                f"shape={axes.shape} with {axes.count(axes.output)} output channels, "
                f"scale={self.scale}, groups={self.groups}",
                "Each channel needs one output for each of its sub-pixels.",
            )

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "method": self.method,
            **super().get_config(),
        }
