"""Convolutions that start as the identity."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._keras import layer_being_built
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.delta import delta
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.fixed_initializer import FixedInitializer


@register("initializers", "dirac")
@shared_arguments
class Dirac(FixedInitializer):
    """Fills a kernel so that the layer hands its inputs on as they are.

        K[t, i, j] = 1    if i = j, at the tap t of the pixel itself
        K[t, i, j] = 0    elsewhere

    If the numbers of channels differ, the first `min(in_channels, out_channels)` are
    handed on, and the other outputs are zero. Each group of a grouped convolution does
    so on its own. A kernel of rank 2 is the identity matrix.

    The tap follows from the padding. Keras's `padding="same"` puts the pixel itself at
    the tap `(k - 1) // 2`, also for even sizes; `torch.nn.init.dirac_` takes `k // 2`,
    which moves the image by one pixel if k is even. It is made for strides of 1. With
    strides s, sizes that they divide, and `padding="same"`, the layer hands every s-th
    pixel on if `tap` is `max(k - s, 0) // 2`.

    Examples:
    >>> layer = keras.layers.Conv2D(
    ...     3, 3, padding="same", kernel_initializer="dirac"
    ... )
    >>> x = keras.random.normal((1, 8, 8, 3), seed=0)
    >>> bool(keras.ops.all(layer(x) == x))
    True

    Args:
        groups: int. The `groups` of a grouped convolution. Each group is then an
            identity of its own. Defaults to `1`.
        padding: str. That of the layer: `"same"`, `"valid"` or `"causal"`. With
            `"valid"` the outputs are the middle of the inputs. Defaults to `"same"`.
        tap: int, list of int or None. The tap of each spatial axis, in place of the one
            that follows from the padding. Defaults to `None`.
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `groups` is not positive or does not divide the number of output
            channels, `padding` is unknown, the kernel has no such `tap`, or the layer
            being built has `padding="same"`, an even kernel size and a dilation: then
            no tap falls on the pixel itself.

    Reference:
        Zagoruyko and Komodakis 2017, "DiracNets: training very deep neural networks
        without skip-connections", https://arxiv.org/abs/1706.00388.
    """

    def __init__(
        self,
        groups: int = 1,
        padding: str = "same",
        tap: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(input_axes, output_axes, batch_axes)
        self.groups = _validate.positive_integer("Dirac", "groups", groups)
        self.padding = _validate.choice(
            "Dirac", "padding", padding, ("same", "valid", "causal")
        )
        self.tap = _tap(tap)

    def check(self, axes: KernelAxes) -> None:
        sizes, taps = axes.sizes(axes.spatial), self._taps(axes)
        fits = len(taps) == len(sizes) and all(
            0 <= tap < max(size, 1) for tap, size in zip(taps, sizes, strict=True)
        )
        if not fits:
            raise _validate.error(
                "Dirac",
                "a `tap` of the kernel for each spatial axis, from 0",
                f"tap={self.tap}, shape={axes.shape} with the spatial sizes {sizes}",
                "Pass None for the tap of the pixel itself.",
            )
        if self.tap is None and self.padding == "same":
            _check_dilation(sizes)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        units = (axes.count(axes.input), axes.count(axes.output) // self.groups)
        one = np.tile(np.eye(*units, dtype=dtype), (1, self.groups))
        matrices = np.broadcast_to(one, (axes.count(axes.batch), *one.shape))
        return delta(matrices, axes, self._taps(axes))

    def _taps(self, axes: KernelAxes) -> list[int]:
        sizes = axes.sizes(axes.spatial)
        if isinstance(self.tap, list):
            return self.tap
        if self.tap is not None:
            return [self.tap] * len(sizes)
        if self.padding == "causal":
            return [max(size - 1, 0) for size in sizes]
        return [max(size - 1, 0) // 2 for size in sizes]

    def get_config(self) -> dict[str, Any]:
        return {
            "groups": self.groups,
            "padding": self.padding,
            "tap": self.tap,
            **super().get_config(),
        }


def _tap(tap: Any) -> int | list[int] | None:
    """An integer, or a list of them, as plain Python."""
    if tap is None:
        return None
    if _validate.is_integer(tap):
        return int(tap)
    items: list[Any] = list(tap) if isinstance(tap, Iterable) else [None]
    if not all(_validate.is_integer(item) for item in items):
        raise _validate.error(
            "Dirac",
            "`tap` to be an integer, a list of integers or None",
            f"tap={tap!r}",
            "Pass for example 0, or [0, 1].",
        )
    return [int(item) for item in items]


def _check_dilation(sizes: tuple[int, ...]) -> None:
    """Raises if no tap of the convolution being built falls on the pixel itself."""
    layer = layer_being_built()
    dilations = getattr(layer, "dilation_rate", ())
    is_same = getattr(layer, "padding", None) == "same"
    if not is_same or getattr(layer, "kernel_size", None) != sizes:
        return
    if any(k % 2 == 0 and d > 1 for k, d in zip(sizes, dilations, strict=True)):
        raise _validate.error(
            "Dirac",
            "a tap that falls on the pixel itself",
            f"a {type(layer).__name__} with padding='same', kernel_size={sizes} and "
            f"dilation_rate={tuple(dilations)}",
            "Take an odd kernel size where there is a dilation.",
        )
