"""The base of the orthogonal family: a gain, groups, and Haar-random blocks."""

import copy
import dataclasses
import math
from typing import Any

from keras_initx import _validate
from keras_initx._kernel.arrays import namespace
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import fans
from keras_initx._kernel.haar import haar
from keras_initx.activations._gain_argument import config_of, gain_of
from keras_initx.initializers._base.axes_initializer import AxesInitializer

_SCALES = ("isometry", "variance")


class SemiOrthogonalInitializer(AxesInitializer):
    """Base class: `gain` times Haar-random semi-orthogonal blocks, one per group.

    With `scale="variance"` each block is larger by the root of
    `max(inputs, outputs) / n`, where an output sums n of the inputs on average.
    """

    # A convolution has up to three.
    most_spatial_axes: float = math.inf

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
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        owner = type(self).__name__
        self.gain = gain_of(owner, gain)
        self.groups = _validate.positive_integer(owner, "groups", groups)
        # Keras's own attribute of this name is a number, which nothing reads here.
        self.scale: Any = _validate.choice(owner, "scale", scale, _SCALES)
        self.strides = _validate.positive_integer(owner, "strides", strides)

    def check(self, axes: KernelAxes) -> None:
        if len(axes.spatial) > self.most_spatial_axes:
            raise _validate.error(
                type(self).__name__,
                "a kernel of rank 2 to 5, (*kernel_size, in_channels, out_channels), "
                "with at most three spatial axes",
                f"shape={axes.shape}, of which the axes {axes.spatial} are spatial",
                "Name the axes that are not spatial by `input_axes`, `output_axes` or "
                "`batch_axes`.",
            )

    def singular_value(self, axes: KernelAxes, rows: int) -> float:
        """That of each block of so many rows: `gain`, unless an argument changes it."""
        if self.scale == "isometry":
            return self.gain
        # The rows are all inputs that lead to an output, or those of one tap.
        summed = rows * fans(axes)[0] / axes.fan_in
        columns = axes.count(axes.output) // self.groups
        return self.gain * math.sqrt(max(rows, columns) / summed)

    def blocks(self, axes: KernelAxes, rows: int, dtype: str) -> Any:
        """Matrices of shape `(batch, rows, out_channels)`.

        Each run of `out_channels / groups` columns is semi-orthogonal on its own.
        """
        batch, out_channels = axes.count(axes.batch), axes.count(axes.output)
        shape = (batch, self.groups, rows, out_channels // self.groups)
        value = self.singular_value(axes, rows)
        matrices = haar(shape, dtype, self.seed, value)
        xp = namespace(matrices)
        if self.groups > 1:
            matrices = xp.swapaxes(matrices, 1, 2)
        return xp.reshape(matrices, (batch, rows, out_channels))

    def draw_each(
        self, shape: tuple[int, ...], dtype: str, seeds: list[Any]
    ) -> list[Any]:
        """Kernels of one shape, each from its seed.

        They are what `draw` makes of each seed. Here all are computed at once, as one
        kernel with one more batch axis.
        """
        axes = self.read(shape)
        self.check(axes)
        roles: dict[str, Any] = {
            name: tuple(1 + axis for axis in getattr(axes, name))
            for name in ("batch", "spatial", "input", "output")
        }
        roles["batch"] = (0, *roles["batch"])
        together = copy.copy(self)
        together.seed = seeds
        shape = (len(seeds), *shape)
        kernels = together.values(
            dataclasses.replace(axes, shape=shape, **roles), shape, dtype
        )
        return [kernels[index] for index in range(len(seeds))]

    def get_config(self) -> dict[str, Any]:
        return {
            "gain": config_of(self.gain),
            "groups": self.groups,
            **super().get_config(),
            "scale": self.scale,
            "strides": self.strides,
        }
