"""The kernels of Fixup, for people who build their own blocks."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.based_initializer import BasedInitializer
from keras_initx.initializers._depth import factors


def he_fan_out() -> keras.initializers.Initializer:
    """He's normal distribution with the fan-out, as in the code of Fixup's authors."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


@register("initializers")
@shared_arguments
class FixupScaled(BasedInitializer):
    """Draws a kernel inside a residual branch that needs no normalization.

        K = L^(-1 / (2 m - 2)) K_base

    for L branches in the network, of m layers each. The last layer of a branch takes
    `"zeros"`; so does the layer that makes the outputs. `branch_depth=1` gives zeros:
    the layer is the last one. `keras_initx.schemes.fixup` does all this on a model that
    is built already.

    Examples:
    >>> first = keras_initx.initializers.FixupScaled(num_branches=50, branch_depth=2)
    >>> layer = keras.layers.Conv2D(64, 3, kernel_initializer=first, use_bias=False)

    Args:
        num_branches: int. L, the number of residual branches. Defaults to `1`.
        branch_depth: int. m, the number of layers in each. Defaults to `2`.
        base: ... Defaults to `None`, which means He's normal distribution with the
            fan-out, as in the authors' code.
        groups: ...
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If a number is not a positive integer.

    Reference:
        Zhang, Dauphin and Ma 2019, "Fixup initialization: residual learning without
        normalization", https://arxiv.org/abs/1901.09321.
    """

    def __init__(
        self,
        num_branches: int = 1,
        branch_depth: int = 2,
        base: Any = None,
        groups: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(base, groups, seed, input_axes, output_axes, batch_axes)
        self.num_branches = _validate.positive_integer(
            "FixupScaled", "num_branches", num_branches
        )
        self.branch_depth = _validate.positive_integer(
            "FixupScaled", "branch_depth", branch_depth
        )

    def default_base(self) -> Any:
        return he_fan_out()

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        factor = factors.fixup(self.num_branches, self.branch_depth)
        return factor * self.draw_base(axes, dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            "num_branches": self.num_branches,
            "branch_depth": self.branch_depth,
            **super().get_config(),
        }
