"""What the axes of a kernel mean, by the class of a layer that has no kernel yet."""

import inspect
import math
from typing import Any

from keras import layers

from keras_initx._model.convolutions import PLAIN, TRANSPOSED

_RANKS = {
    2: (
        layers.Conv2D,
        layers.Conv2DTranspose,
        layers.DepthwiseConv2D,
        layers.SeparableConv2D,
    ),
    3: (layers.Conv3D, layers.Conv3DTranspose),
}


def axes_arguments(
    layer: layers.Layer, argument: str, bound: inspect.BoundArguments
) -> dict[str, Any]:
    """The arguments of our initializers that say what the axes of a kernel mean.

    Args:
        layer: keras.layers.Layer. One that is being made.
        argument: str. That of the layer which takes the initializer, such as
            `"kernel_initializer"`.
        bound: inspect.BoundArguments. What its constructor gets.
    """
    strides = {"strides": _product(layer, _argument(bound, "strides", 1))}
    if argument == "depthwise_initializer":
        return {"batch_axes": [-2], **strides}
    if argument != "kernel_initializer":
        return {}
    if isinstance(layer, TRANSPOSED):
        return {"input_axes": [-1], "output_axes": [-2], **strides}
    if isinstance(layer, PLAIN):
        return {"groups": _argument(bound, "groups", 1), **strides}
    if isinstance(layer, layers.EinsumDense):
        # `EinsumDense` tells the other axes itself.
        return {"batch_axes": _batch_axes(_argument(bound, "equation", ""))}
    return {}


def _product(layer: layers.Layer, strides: Any) -> int:
    """The product of the strides, of which one number means all axes."""
    if not isinstance(strides, int):
        return math.prod(strides)
    ranks = (rank for rank, classes in _RANKS.items() if isinstance(layer, classes))
    return strides ** next(ranks, 1)


def _argument(bound: inspect.BoundArguments, name: str, default: Any) -> Any:
    """An argument by its name, also among those that a constructor hands on."""
    found = {**bound.kwargs, **bound.arguments}
    return found.get(name, default)


def _batch_axes(equation: str) -> list[int] | None:
    """The axes of the kernel that number independent kernels, or None for no axis."""
    operands, _, output = equation.replace(" ", "").partition("->")
    inputs, _, labels = operands.partition(",")
    shared = {*labels} & {*inputs} & {*output}
    return [a for a, label in enumerate(labels) if label in shared] or None
