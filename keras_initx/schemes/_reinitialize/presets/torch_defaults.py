"""PyTorch's `reset_parameters`, for kernels and for biases."""

import math
from typing import Any

import keras
from keras import layers

from keras_initx._backend.seeds import split
from keras_initx._keras import direct_sublayers
from keras_initx._kernel.random import uniform
from keras_initx._model.convolutions import TRANSPOSED
from keras_initx._model.model_variables import ModelVariable
from keras_initx.initializers._base.plain_initializer import SeededInitializer
from keras_initx.schemes._reinitialize.presets.variable_roles import (
    by_variable,
    inputs_of,
    is_in_attention,
    kernels_by_layer,
    role,
)


def torch_defaults(
    model: keras.layers.Layer, variables: list[ModelVariable]
) -> dict[int, Any]:
    """What a layer of `torch.nn` starts with.

        kernel, bias    U(-b, b) with b = 1 / sqrt(fan_in)

    For recurrent layers fan_in is the number of units. The two biases of `nn.LSTM` and
    `nn.RNN` are one in Keras, which has their sum. For a transposed convolution
    PyTorch counts the outputs instead of the inputs.
    """
    kernels = kernels_by_layer(variables)
    return by_variable(
        variables, lambda each: _initializer(each, kernels.get(id(each.layer), []))
    )


def _initializer(each: ModelVariable, kernels: list[ModelVariable]) -> Any:
    kind = role(each)
    if kind == "table":
        return keras.initializers.RandomNormal(stddev=1.0)
    if kind in ("gamma", "beta"):
        return keras.initializers.Constant(float(kind == "gamma"))
    if isinstance(each.layer, layers.PReLU):
        return keras.initializers.Constant(0.25)
    if is_in_attention(each):
        return _in_attention(each, kind)
    if kind == "kernel":
        return _uniform(_bound(each))
    if kind == "bias" and kernels:
        is_sum = kernels[-1].blocks > 1 or hasattr(each.layer, "recurrent_kernel")
        is_sum = is_sum and each.variable.ndim == 1
        # A separable convolution has the bias of its second kernel.
        bound = _bound(kernels[-1])
        return SumOfUniforms(bound) if is_sum else _uniform(bound)
    return None


def _bound(kernel: ModelVariable) -> float:
    """1 / sqrt(fan_in), as PyTorch counts it for this layer."""
    axes = kernel.axes
    if axes is None:
        return 0.0
    if hasattr(kernel.layer, "recurrent_kernel"):
        return 1 / math.sqrt(axes.shape[-1] / kernel.blocks)
    if isinstance(kernel.layer, TRANSPOSED):
        return 1 / math.sqrt(axes.count(axes.spatial + axes.output))
    return 1 / math.sqrt(max(inputs_of(kernel), 1))


def _in_attention(each: ModelVariable, kind: str) -> Any:
    """`nn.MultiheadAttention`: Glorot's rule for what comes in, zero biases."""
    if kind == "bias":
        return keras.initializers.Zeros()
    if each.axes is None:
        return None
    if each.layer.name == "attention_output":
        return _uniform(_bound(each))
    width = each.axes.count(each.axes.output)
    features = [
        part.kernel.shape[0]
        for part in direct_sublayers(each.parents[-1])
        if part.name in ("query", "key", "value")
    ]
    # Query, key and value of one width stand in one kernel of three times the outputs.
    is_packed = {*features} == {width}
    fans = inputs_of(each) + (3 if is_packed else 1) * width
    return _uniform(math.sqrt(6 / fans))


def _uniform(bound: float) -> Any:
    return keras.initializers.RandomUniform(-bound, bound)


class SumOfUniforms(SeededInitializer):
    """The sum of two independent draws from U(-bound, bound)."""

    def __init__(self, bound: float, seed: Any = None) -> None:
        super().__init__(seed)
        self.bound = bound

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        one, other = (uniform(shape, seed) for seed in split(self.seed, 2))
        return self.bound * (2 * (one + other) - 2)

    def get_config(self) -> dict[str, Any]:
        return {"bound": self.bound, **super().get_config()}
