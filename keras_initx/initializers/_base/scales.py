"""Arguments that are one integer for all spatial axes, or one for each.

Such as `scale`: by how much each axis of an image grows.
"""

from typing import Any

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes


def scales_of(owner: str, scale: Any, name: str = "scale") -> int | list[int]:
    """A positive integer, or a list of them, as plain Python."""
    if _validate.is_integer(scale) and scale >= 1:
        return int(scale)
    try:
        items = list(scale)
    except TypeError:
        items = []
    if items and all(_validate.is_integer(item) and item >= 1 for item in items):
        return [int(item) for item in items]
    raise _validate.error(
        owner,
        f"`{name}` to be an integer of at least 1, or a list of them",
        f"{name}={scale!r}",
        "Pass for example 2, or [2, 2].",
    )


def scales_for(
    owner: str, scale: int | list[int], axes: KernelAxes, name: str = "scale"
) -> list[int]:
    """One number for each spatial axis of the kernel."""
    count = len(axes.spatial)
    if isinstance(scale, int):
        return [scale] * count
    if len(scale) != count:
        raise _validate.error(
            owner,
            f"one number in `{name}` for each of {count} spatial axes",
            f"{name}={scale}, shape={axes.shape}",
            "Pass one integer, or a list as long as the kernel size.",
        )
    return scale
