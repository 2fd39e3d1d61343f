"""The base of every initializer here: seed, axes, dtype, order of the checks."""

from typing import Any

import keras
import numpy as np
from keras import ops

import keras_initx._kernel.generators  # noqa: F401  (teaches `copy` and `pickle`)
from keras_initx import _validate
from keras_initx._backend import to_tensor
from keras_initx._kernel.axes import KernelAxes


class AxesInitializer(keras.initializers.VarianceScaling):
    """Base class: an initializer that knows what the axes of its kernel mean.

    It stands on `keras.initializers.VarianceScaling` because `EinsumDense`, and with it
    `MultiHeadAttention` and `GroupQueryAttention`, tell the axes of their kernels to
    subclasses of that class only. Nothing else of it is used.

    Args:
        seed: int, `keras.random.SeedGenerator` or None. As in `keras.initializers`: an
            integer gives the same values at each call, a generator new ones, and None
            is an integer drawn when the initializer is made. Defaults to `None`.
        input_axes: list of int or None. The axes along which a unit sums over its
            inputs. Defaults to `None`, which means `[-2]`. Attention layers set it
            themselves. A transposed convolution needs `[-1]`.
        output_axes: list of int or None. The axes that number the output units.
            Defaults to `None`, which means `[-1]`. A transposed convolution needs
            `[-2]`.
        batch_axes: list of int or None. The axes that number independent kernels:
            `[-2]` for a depthwise convolution. Defaults to `None`, which means no axis.
            All axes that have no other role are spatial.
    """

    def __init__(
        self,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        owner = type(self).__name__
        self.seed: Any
        super().__init__(
            seed=seed,
            input_axes=_validate.axes(owner, "input_axes", input_axes),
            output_axes=_validate.axes(owner, "output_axes", output_axes),
        )
        self.batch_axes = _validate.axes(owner, "batch_axes", batch_axes)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Draws a kernel.

        The computation runs in float32, or in float64 where that is asked for. The
        result is cast last, so that float16 and bfloat16 work on every backend.

        Call arguments:
            shape: tuple of int. `(*kernel_size, in_channels, out_channels)`, or what
                the axes say.
            dtype: str or None. A floating-point dtype. Defaults to
                `keras.config.floatx()`.

        Returns:
            A tensor of that shape and dtype.

        Raises:
            ValueError: If the dtype is not a floating-point one, or if the shape does
                not fit.
        """
        owner = type(self).__name__
        dtype = _validate.float_dtype(owner, dtype)
        axes = KernelAxes.resolve(
            owner, shape, self.input_axes, self.output_axes, self.batch_axes
        )
        self.check(axes)
        if 0 in axes.shape:
            return ops.zeros(axes.shape, dtype=dtype)
        kernel = self.draw(axes, "float64" if dtype == "float64" else "float32")
        if isinstance(kernel, np.ndarray):
            kernel = to_tensor(kernel)
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def check(self, axes: KernelAxes) -> None:
        """Raises a `ValueError` if the class cannot fill a kernel with these axes."""

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        """The kernel itself, `dtype` being float32 or float64."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        config = super().get_config()
        return {
            "seed": config["seed"],
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
            "batch_axes": self.batch_axes,
        }
