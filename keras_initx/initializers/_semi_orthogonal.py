"""The base of the orthogonal family: a gain, groups, and blocks from `_haar`."""

from typing import Any

from keras import ops

from keras_initx import _haar, _validate
from keras_initx._axes import KernelAxes
from keras_initx.initializers._base import AxesInitializer


class SemiOrthogonalInitializer(AxesInitializer):
    """Base class: `gain` times Haar-random semi-orthogonal blocks, one a group."""

    def __init__(
        self,
        gain: float = 1.0,
        groups: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        owner = type(self).__name__
        self.gain = _validate.positive(owner, "gain", gain)
        self.groups = _validate.positive_integer(owner, "groups", groups)

    def check(self, axes: KernelAxes) -> None:
        out_channels = axes.count(axes.output)
        if out_channels % self.groups:
            raise _validate.error(
                type(self).__name__,
                "`groups` to divide the number of output channels",
                f"groups={self.groups}, shape={axes.shape} with {out_channels} output "
                "channels",
                "Pass the `groups` of the convolution.",
            )

    def blocks(self, axes: KernelAxes, rows: int, dtype: str) -> Any:
        """Matrices of shape `(batch, rows, out_channels)`.

        Each run of `out_channels / groups` columns is semi-orthogonal on its own.
        """
        batch, out_channels = axes.count(axes.batch), axes.count(axes.output)
        shape = (batch, self.groups, rows, out_channels // self.groups)
        matrices = self.gain * _haar.haar(shape, dtype, self.seed)
        return ops.reshape(ops.swapaxes(matrices, 1, 2), (batch, rows, out_channels))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "groups": self.groups, **super().get_config()}
