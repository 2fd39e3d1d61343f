"""The argument `image_size`: a kernel that makes up for the borders of an image."""

from collections.abc import Callable
from typing import Any

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.borders import border_factor
from keras_initx.initializers._base.scales import scales_for, scales_of


def image_size_of(owner: str, image_size: Any) -> int | list[int] | None:
    """A positive integer, a list of them, or None, as plain Python."""
    return None if image_size is None else scales_of(owner, image_size, "image_size")


def factor_for(
    owner: str,
    image_size: int | list[int] | None,
    axes: KernelAxes,
    shares: Callable[[int], tuple[float, ...]],
) -> float:
    """`border_gain` of a kernel with these axes.

    It is 1 for a layer whose outputs are no image of the same size: a dense one, and
    one with strides.
    """
    if image_size is None or not axes.spatial or axes.strides > 1:
        return 1.0
    sizes = scales_for(owner, image_size, axes, "image_size")
    return border_factor(shares, axes.sizes(axes.spatial), sizes)
