"""The base of the orthogonal initializers that use all taps of a kernel."""

from collections.abc import Callable
from typing import Any

from keras_initx._kernel.axes import KernelAxes
from keras_initx.initializers._base.image_size import factor_for, image_size_of
from keras_initx.initializers._base.semi_orthogonal import SemiOrthogonalInitializer


class AllTapsOrthogonal(SemiOrthogonalInitializer):
    """Base class: with `image_size` it makes up for the borders of an image."""

    # How the taps share the variance of the kernel.
    shares: Callable[[int], tuple[float, ...]]

    def __init__(
        self,
        gain: Any = 1.0,
        groups: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
        scale: str = "isometry",
        strides: int = 1,
        image_size: Any = None,
    ) -> None:
        super().__init__(
            gain, groups, seed, input_axes, output_axes, batch_axes, scale, strides
        )
        self.image_size = image_size_of(type(self).__name__, image_size)

    def singular_value(self, axes: KernelAxes, rows: int) -> float:
        owner = type(self).__name__
        factor = factor_for(owner, self.image_size, axes, self.shares)
        return factor * super().singular_value(axes, rows)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "image_size": self.image_size}
