"""Kernels that stay orthonormal while they train."""

from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.blocks import block_count
from keras_initx._kernel.polar import polar
from keras_initx._registry import register


@register("constraints", "orthonormal")
class Orthonormal(keras.constraints.Constraint):
    """Moves a kernel to the nearest orthonormal one after each step of training.

        W <- gain * U V.T        for W = U S V.T

    The kernel is read as a matrix of shape `(fan_in, out_channels)`. Its columns are
    orthonormal if there are no more of them than rows, and its rows otherwise. The
    gates of a recurrent kernel are moved each on its own. So the norm of the state, and
    of the gradient that flows back through it, depends on the activations and gates
    only, also late in the training.

    U V.T is computed by products of matrices (Newton and Schulz), in float32 or better,
    also for kernels in bfloat16 or float16. After a step of training that takes one or
    two iterations. Any other start is safe too, but zeros stay zeros: start with
    `"gate_orthogonal"` or `"haar_orthogonal"`.

    Examples:
    >>> layer = keras.layers.LSTM(
    ...     64,
    ...     recurrent_initializer="gate_orthogonal",
    ...     recurrent_constraint="orthonormal",
    ... )
    >>> kernel = keras.random.normal((6, 4), seed=0)
    >>> kernel = keras_initx.constraints.Orthonormal()(kernel)
    >>> gram = keras.ops.matmul(keras.ops.transpose(kernel), kernel)
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(4)) < 1e-5))
    True

    Args:
        gain: float. All singular values of the kernel. Positive. Defaults to `1.0`.
        blocks: int or None. The number of equal blocks along the output channels that
            are moved each on its own. Defaults to `None`: the number of gates for a
            variable named `recurrent_kernel`, 1 for all others.
        input_axes: list of int or None. The axes of the inputs over which a unit sums.
            A kernel of attention needs it, such as `[0, 1]` for the output projection.
            Defaults to `None`, which means `[-2]`.
        output_axes: list of int or None. The axes that number the output units.
            Defaults to `None`, which means `[-1]`.
        batch_axes: list of int or None. The axes that number independent kernels. The
            axes without any role are spatial, and count as inputs. Defaults to `None`,
            which means no axis.

    Call arguments:
        w: A variable or tensor, `(*kernel_size, in_channels, out_channels)`, or what
            the axes say.

    Returns:
        A tensor of the same shape and dtype.

    Raises:
        ValueError: If `gain` or `blocks` is not positive, if the blocks do not fill the
            output channels, or if the tensor is no kernel.

    Reference:
        Higham 2008, "Functions of matrices: theory and computation", section 8.3.
    """

    def __init__(
        self,
        gain: float = 1.0,
        blocks: int | None = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        owner = "Orthonormal"
        self.gain = _validate.positive(owner, "gain", gain)
        if blocks is not None:
            blocks = _validate.positive_integer(owner, "blocks", blocks)
        self.blocks = blocks
        self.input_axes = _validate.axes(owner, "input_axes", input_axes)
        self.output_axes = _validate.axes(owner, "output_axes", output_axes)
        self.batch_axes = _validate.axes(owner, "batch_axes", batch_axes)

    def __call__(self, w: Any) -> Any:
        axes = KernelAxes.resolve(
            "Orthonormal",
            w.shape,
            self.input_axes,
            self.output_axes,
            self.batch_axes,
        )
        blocks = self._count(w, axes)
        order = axes.batch + axes.spatial + axes.input + axes.output
        batch, rows, columns = (
            axes.count(axes.batch),
            axes.fan_in,
            axes.count(axes.output) // blocks,
        )
        dtype = keras.backend.standardize_dtype(w.dtype)
        kernel = ops.cast(w, "float64" if dtype == "float64" else "float32")
        kernel = ops.transpose(kernel, order) / self.gain
        matrices = ops.swapaxes(
            ops.reshape(kernel, (batch, rows, blocks, columns)), 1, 2
        )
        if rows < columns:
            matrices = ops.swapaxes(polar(ops.swapaxes(matrices, -1, -2)), -1, -2)
        else:
            matrices = polar(matrices)
        return ops.cast(
            axes.kernel(self.gain * ops.swapaxes(matrices, 1, 2), order), dtype
        )

    def _count(self, w: Any, axes: KernelAxes) -> int:
        """The number of blocks."""
        blocks = self.blocks
        if blocks is None and getattr(w, "name", None) != "recurrent_kernel":
            blocks = 1
        return block_count("Orthonormal", axes, blocks, axes.output[-1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        return {
            "gain": self.gain,
            "blocks": self.blocks,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
            "batch_axes": self.batch_axes,
        }
