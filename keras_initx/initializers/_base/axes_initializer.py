"""The base of the initializers of kernels: it knows what the axes mean."""

import dataclasses
import functools
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx.initializers._base.plain_initializer import PlainInitializer


@functools.lru_cache
def _resolved(owner: str, shape: tuple[int, ...], *arguments: Any) -> KernelAxes:
    """`KernelAxes.resolve`, once for layers of one kind."""
    # A cache takes tuples; `resolve` gets lists, as its errors show them.
    values: Any = [
        list(each) if isinstance(each, tuple) else each for each in arguments
    ]
    return KernelAxes.resolve(owner, shape, *values)


class AxesInitializer(PlainInitializer, keras.initializers.VarianceScaling):
    """Base class: an initializer that knows what the axes of its kernel mean.

    It derives from `keras.initializers.VarianceScaling` because `EinsumDense`, and with
    it `MultiHeadAttention` and `GroupQueryAttention`, tell the axes of their kernels
    only to that class and its subclasses. Only its seed handling is used besides.

    The arguments `seed`, `input_axes`, `output_axes` and `batch_axes` are described in
    `arguments`.
    """

    # Classes with these arguments set them in their constructor.
    groups = 1
    strides = 1
    # Whether the kernel is the table of an embedding: see `KernelAxes`.
    is_lookup = False

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

    def read(self, shape: tuple[int, ...]) -> KernelAxes:
        lists = (self.input_axes, self.output_axes, self.batch_axes)
        axes = _resolved(
            type(self).__name__,
            shape,
            *(None if axes is None else tuple(axes) for axes in lists),
            self.groups,
            self.strides,
        )
        return dataclasses.replace(axes, is_lookup=True) if self.is_lookup else axes

    def check(self, axes: KernelAxes) -> None:
        """Raises a `ValueError` if the class cannot fill a kernel with these axes."""

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        """The kernel itself; `dtype` is float32 or float64."""
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
