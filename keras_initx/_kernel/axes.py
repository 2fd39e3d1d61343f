"""What the axes of a kernel mean.

A kernel has four kinds of axes. An output unit sums over the input axes (its channels)
and the spatial axes (its receptive field). Batch axes number independent kernels: the
channels of a depthwise convolution, the experts of a mixture.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from keras_initx import _validate
from keras_initx._kernel.arrays import namespace


@dataclasses.dataclass(frozen=True)
class KernelAxes:
    """The axes of one kernel, by role: counted from 0, in the order as given.

    `groups` is that of a grouped convolution: the output channels are split into so
    many runs, and each run has inputs of its own. `strides` is the product of the
    strides of a convolution. `is_lookup` says that the kernel is a table whose rows are
    looked up, as in an embedding: its input axis numbers the rows. These two change
    what `fan_rule` counts, and not the axes.
    """

    shape: tuple[int, ...]
    batch: tuple[int, ...]
    spatial: tuple[int, ...]
    input: tuple[int, ...]
    output: tuple[int, ...]
    groups: int = 1
    strides: int = 1
    is_lookup: bool = False

    @classmethod
    def resolve(
        cls,
        owner: str,
        shape: Sequence[int],
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
        groups: int = 1,
        strides: int = 1,
    ) -> "KernelAxes":
        """Gives each axis of `shape` its role.

        `None` means `[-2]` for the input, `[-1]` for the output, no batch axis. A batch
        axis is never an input or output axis too: `EinsumDense` counts the group axis
        of `"bgi,gio->bgo"` as an output axis, and naming it a batch axis overrules
        that.

        Raises:
            ValueError: If an axis is out of range or has two roles, or if `groups` does
                not divide the number of output channels.
        """
        shape = _validate.shape(owner, shape)
        batch = _positions(owner, shape, "batch_axes", batch_axes or [])
        input = _positions(
            owner, shape, "input_axes", [-2] if input_axes is None else input_axes
        )
        output = _positions(
            owner, shape, "output_axes", [-1] if output_axes is None else output_axes
        )
        input = tuple(axis for axis in input if axis not in batch)
        output = tuple(axis for axis in output if axis not in batch)
        both = [axis for axis in input if axis in output]
        if both:
            raise _validate.error(
                owner,
                "different `input_axes` and `output_axes`",
                f"input_axes={input_axes}, output_axes={output_axes}, shape={shape}, "
                f"where axis {both[0]} is both",
                "The defaults are [-2] and [-1]: give both lists if one changes.",
            )
        spatial = tuple(
            axis for axis in range(len(shape)) if axis not in {*batch, *input, *output}
        )
        axes = cls(shape, batch, spatial, input, output, groups, strides)
        if axes.count(output) % groups:
            raise _validate.error(
                owner,
                "`groups` to divide the number of output channels",
                f"groups={groups}, shape={shape} with {axes.count(output)} output "
                "channels",
                "Pass the `groups` of the convolution.",
            )
        return axes

    def sizes(self, axes: Sequence[int]) -> tuple[int, ...]:
        """The sizes of these axes."""
        return tuple(self.shape[axis] for axis in axes)

    def count(self, axes: Sequence[int]) -> int:
        """The number of elements along these axes."""
        return math.prod(self.sizes(axes))

    @property
    def fan_in(self) -> int:
        """The number of weights that lead to one output unit, whatever the strides."""
        return self.count(self.spatial + self.input)

    @property
    def fan_out(self) -> int:
        """The number of weights that lead away from one input unit."""
        return self.count(self.spatial + self.output) // self.groups

    def kernel(self, tensor: Any, order: Sequence[int]) -> Any:
        """Turns a tensor whose (flattened) axes stand in `order` into the kernel."""
        xp = namespace(tensor)
        tensor = xp.reshape(tensor, self.sizes(order))
        back = [order.index(axis) for axis in range(len(order))]
        return tensor if back == sorted(back) else xp.transpose(tensor, back)


def _positions(
    owner: str, shape: tuple[int, ...], name: str, axes: Sequence[int]
) -> tuple[int, ...]:
    """Axes counted from 0, each within the shape and different from the others."""
    rank = len(shape)
    if any(not -rank <= axis < rank for axis in axes):
        raise _missing_axis(owner, shape, name, axes)
    positions = tuple(axis % rank for axis in axes)
    if len(set(positions)) < len(positions):
        raise _validate.error(
            owner,
            f"each axis once in `{name}`",
            f"{name}={list(axes)}, shape={shape}",
            "Remove the repeated axis; -1 is the last one.",
        )
    return positions


def _missing_axis(
    owner: str, shape: tuple[int, ...], name: str, axes: Sequence[int]
) -> ValueError:
    """The error for an axis that the shape does not have."""
    rank = len(shape)
    if rank < 2:
        return _validate.error(
            owner,
            "a kernel, with an axis of inputs and an axis of outputs",
            f"shape={shape} of rank {rank}",
            "It is not for biases: give them another initializer, for example "
            "`bias_initializer='zeros'`.",
        )
    return _validate.error(
        owner,
        f"a kernel that has the axes `{name}`={list(axes)}",
        f"shape={shape} of rank {rank}",
        f"The axes of this kernel are numbered from {-rank} to {rank - 1}.",
    )
