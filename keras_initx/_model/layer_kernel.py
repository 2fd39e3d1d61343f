"""The layers that multiply inputs by a kernel, and what the axes of it mean."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_initx._keras import embeddings_variable, is_of_keras, kernel_variable
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.convolutions import DEPTHWISE, PLAIN, SEPARABLE, TRANSPOSED


@dataclasses.dataclass(frozen=True)
class LayerKernel:
    """A layer that computes `kernel * inputs + bias`, and then its activation.

    Attributes:
        kernel: keras.Variable. The kernel by which the pre-activation is scaled.
        bias: keras.Variable or None.
        axes: KernelAxes. What the axes of the kernel mean, and its groups.
        channels: tuple of int. The axes of the pre-activation that number the units.
        kernel_channels: tuple of int. The axes of the kernel that do, in that order.
        after_bias: int. How many axes of the pre-activation follow those of the bias.
        others: tuple. The layer's other kernels, each with its axes.
        is_known: bool. Whether all this is certain. If not, a caller has to try it.
        blocks: int. How many kernels stand side by side in each: the gates of a
            recurrent layer.
    """

    kernel: keras.Variable
    axes: KernelAxes
    bias: keras.Variable | None = None
    channels: tuple[int, ...] = (-1,)
    kernel_channels: tuple[int, ...] = (-1,)
    after_bias: int = 0
    others: tuple[tuple[keras.Variable, KernelAxes], ...] = ()
    is_known: bool = True
    blocks: int = 1

    @property
    def kernels(self) -> tuple[tuple[keras.Variable, KernelAxes], ...]:
        """All kernels of the layer that an initializer can draw, each with its axes.

        The `kernel` of a layer of one's own may be a vector, which none can.
        """
        kernels = (*self.others, (self.kernel, self.axes))
        return tuple(each for each in kernels if each[0].ndim > 1)

    def bias_on(self, bias: np.ndarray, rank: int) -> np.ndarray:
        """The bias, shaped to be added to a pre-activation of this rank."""
        shape = (*bias.shape, *(1,) * self.after_bias)
        return bias.reshape((1,) * (rank - len(shape)) + shape)

    def on_bias(self, units: np.ndarray) -> np.ndarray:
        """Numbers for the units of a pre-activation, shaped to be added to the bias."""
        bias = np.empty(self.bias.shape if self.bias is not None else ())
        shape = self.bias_on(bias, units.ndim).shape
        shared = tuple(axis for axis, size in enumerate(shape) if size == 1)
        units = np.broadcast_to(units, np.broadcast_shapes(units.shape, shape))
        return units.mean(axis=shared, keepdims=True).reshape(bias.shape)

    def on_kernel(self, units: np.ndarray) -> np.ndarray:
        """Numbers for the units of a pre-activation, or one number for all of them.

        They are shaped to be multiplied by the kernel.
        """
        if units.size == 1:
            return units.reshape(())
        shape = self.kernel.shape
        places = [axis % len(shape) for axis in self.kernel_channels]
        units = units.reshape([shape[place] for place in places])
        units = units.transpose(np.argsort(places))
        return units.reshape([n if a in places else 1 for a, n in enumerate(shape)])


def layer_kernel(layer: layers.Layer) -> LayerKernel | None:
    """How the pre-activation of a layer depends on its kernel; None without one."""
    kernel = kernel_variable(layer)
    if kernel is None:
        return None
    bias = getattr(layer, "bias", None)
    bias = bias if isinstance(bias, keras.Variable) else None
    for types, describe in _DESCRIPTIONS.items():
        if isinstance(layer, types):
            is_known = is_of_keras(layer)
            described = describe(layer, kernel)
            return LayerKernel(kernel, bias=bias, is_known=is_known, **described)
    return LayerKernel(kernel, _axes(kernel), bias, is_known=False)


def embedding_axes(layer: layers.Embedding) -> KernelAxes:
    """The axes of the table of an embedding, whose rows are looked up."""
    return dataclasses.replace(_axes(embeddings_variable(layer)), is_lookup=True)


def _axes(kernel: keras.Variable, **arguments: Any) -> KernelAxes:
    """The axes of a kernel, by the arguments of this package's initializers."""
    try:
        return KernelAxes.resolve("keras_initx", kernel.shape, **arguments)
    except ValueError:
        # A vector, or the packed kernel of a quantized layer: its axes mean nothing.
        return KernelAxes.resolve("keras_initx", kernel.shape, [], [])


def _dense(layer: layers.Layer, kernel: keras.Variable) -> dict[str, Any]:
    return {"axes": _axes(kernel)}


def _einsum_dense(layer: layers.Layer, kernel: keras.Variable) -> dict[str, Any]:
    operands, output = layer.equation.replace(" ", "").split("->")
    inputs, labels = operands.split(",")
    # An ellipsis stands first or last: the axes are counted from the other end.
    start = 0 if output.endswith("...") else -len(output.replace("...", ""))
    output = output.replace("...", "")
    shared = [label for label in output if label in labels]

    def places(chosen: list[str]) -> list[int]:
        return [labels.index(label) for label in chosen]

    return {
        "axes": _axes(
            kernel,
            input_axes=places([label for label in labels if label not in output]),
            output_axes=places([label for label in shared if label not in inputs]),
            batch_axes=places([label for label in shared if label in inputs]),
        ),
        "channels": tuple(start + output.index(label) for label in shared),
        "kernel_channels": tuple(places(shared)),
    }


def _channels(layer: layers.Layer) -> dict[str, Any]:
    """Where a convolution has its channels."""
    after = layer.rank if layer.data_format == "channels_first" else 0
    return {"channels": (-1 - after,), "after_bias": after}


def _strides(layer: layers.Layer) -> int:
    """How many inputs a convolution has for each of its outputs, or the other way."""
    return math.prod(layer.strides)


def _convolution(layer: layers.Layer, kernel: keras.Variable) -> dict[str, Any]:
    axes = _axes(kernel, groups=layer.groups, strides=_strides(layer))
    return {"axes": axes, **_channels(layer)}


def _transposed_convolution(
    layer: layers.Layer, kernel: keras.Variable
) -> dict[str, Any]:
    strides = _strides(layer)
    return {
        "axes": _axes(kernel, input_axes=[-1], output_axes=[-2], strides=strides),
        "kernel_channels": (-2,),
        **_channels(layer),
    }


def _depthwise_convolution(
    layer: layers.Layer, kernel: keras.Variable
) -> dict[str, Any]:
    return {
        "axes": _axes(kernel, batch_axes=[-2], strides=_strides(layer)),
        "kernel_channels": (-2, -1),
        **_channels(layer),
    }


def _separable_convolution(
    layer: layers.Layer, kernel: keras.Variable
) -> dict[str, Any]:
    depthwise = layer.depthwise_kernel
    axes = _axes(depthwise, batch_axes=[-2], strides=_strides(layer))
    return {"axes": _axes(kernel), "others": ((depthwise, axes),), **_channels(layer)}


_DESCRIPTIONS = {
    (layers.Dense,): _dense,
    (layers.EinsumDense,): _einsum_dense,
    PLAIN: _convolution,
    TRANSPOSED: _transposed_convolution,
    DEPTHWISE: _depthwise_convolution,
    SEPARABLE: _separable_convolution,
}
