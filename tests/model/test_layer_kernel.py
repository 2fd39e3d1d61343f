"""What is said of a layer's kernel, judged by the layer itself."""

import keras
import numpy as np
import pytest
from catalogue import BACKEND, to_numpy
from keras import layers

from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.trace import Observer, trace

IMAGE = (6, 6, 4)
# Each layer, the shape of its inputs, and the arguments that `initializers` need.
CASES = {
    "Dense": (layers.Dense(3), (4,), {}),
    "Dense in 3-D": (layers.Dense(3), (5, 4), {}),
    "EinsumDense": (
        layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"),
        (5, 4),
        {"input_axes": [0], "output_axes": [1, 2], "batch_axes": []},
    ),
    "EinsumDense, many inputs": (
        layers.EinsumDense("abcd,cde->abe", (None, 6), bias_axes="e"),
        (5, 4, 3),
        {"input_axes": [0, 1], "output_axes": [2], "batch_axes": []},
    ),
    "EinsumDense, groups": (
        layers.EinsumDense("bgi,gio->bgo", (2, 6), bias_axes="go"),
        (2, 4),
        {"input_axes": [1], "output_axes": [2], "batch_axes": [0]},
    ),
    "EinsumDense, transposed": (
        layers.EinsumDense("abc,cde->aedb", (3, 2, 5), bias_axes="ed"),
        (5, 4),
        {"input_axes": [0], "output_axes": [2, 1], "batch_axes": []},
    ),
    "EinsumDense, ...": (
        layers.EinsumDense("...x,xy->...y", 6, bias_axes="y"),
        (5, 4),
        {"input_axes": [0], "output_axes": [1], "batch_axes": []},
    ),
    "EinsumDense, ... last": (
        layers.EinsumDense("ab...,bc->ac...", (6, 5)),
        (4, 5),
        {"input_axes": [0], "output_axes": [1], "batch_axes": []},
    ),
    "EinsumDense, a bias of positions": (
        layers.EinsumDense("abc,cd->abd", (5, 6), bias_axes="bd"),
        (5, 4),
        {"input_axes": [0], "output_axes": [1], "batch_axes": []},
    ),
    "Conv1D": (layers.Conv1D(6, 3), (8, 4), {"groups": 1}),
    "Conv2D": (layers.Conv2D(6, 3, groups=2), IMAGE, {"groups": 2}),
    "Conv3D": (layers.Conv3D(6, 2), (4, *IMAGE), {"groups": 1}),
    "Conv1DTranspose": (
        layers.Conv1DTranspose(6, 3),
        (8, 4),
        {"input_axes": [-1], "output_axes": [-2]},
    ),
    "Conv2DTranspose": (
        layers.Conv2DTranspose(6, 3),
        IMAGE,
        {"input_axes": [-1], "output_axes": [-2]},
    ),
    "Conv3DTranspose": (
        layers.Conv3DTranspose(6, 2),
        (3, *IMAGE),
        {"input_axes": [-1], "output_axes": [-2]},
    ),
    "DepthwiseConv1D": (
        layers.DepthwiseConv1D(3, depth_multiplier=2),
        (8, 4),
        {"batch_axes": [-2]},
    ),
    "DepthwiseConv2D": (
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        IMAGE,
        {"batch_axes": [-2]},
    ),
    "SeparableConv1D": (layers.SeparableConv1D(6, 3), (8, 4), {}),
    "SeparableConv2D": (layers.SeparableConv2D(6, 3), IMAGE, {}),
}
if BACKEND != "tensorflow":
    # On CPUs TensorFlow has no convolutions of this format.
    CASES["Conv2D, channels first"] = (
        layers.Conv2D(6, 3, data_format="channels_first"),
        (4, 6, 6),
        {"groups": 1},
    )

every_layer = pytest.mark.parametrize("name", CASES)


def layer_shape(layer):
    """The shape of the kernel by which the pre-activation is scaled."""
    name = "pointwise_kernel" if hasattr(layer, "pointwise_kernel") else "kernel"
    return tuple(getattr(layer, name).shape)


def pre_activation(layer, x):
    class Keep(Observer):
        def pre_activation(self, call, tensor):
            self.tensor = to_numpy(tensor)
            return tensor

    keep = Keep()
    trace(layer, x, keep)
    return keep.tensor


def built(name):
    """The layer with a random bias, and a batch for it."""
    layer, shape, _ = CASES[name]
    generator = np.random.default_rng(0)
    x = generator.normal(size=(3, *shape)).astype("float32")
    layer(x)
    if layer.bias is not None:
        layer.bias.assign(generator.normal(size=layer.bias.shape))
    return layer, x, generator


@every_layer
@pytest.mark.same_on_each_backend
def test_the_axes_are_those_for_initializers(name):
    layer, _, _ = built(name)
    described = layer_kernel(layer)
    assert described.is_known
    expected = KernelAxes.resolve("test", layer_shape(layer), **CASES[name][2])
    assert described.axes == expected
    assert len(described.kernels) == 1 + name.startswith("Separable")
    for kernel, axes in described.kernels:
        assert axes.shape == tuple(kernel.shape)


@every_layer
@pytest.mark.same_on_each_backend
def test_factors_of_the_units_act_as_factors_of_the_kernel(name):
    layer, x, generator = built(name)
    described = layer_kernel(layer)
    before = pre_activation(layer, x)
    rank = before.ndim
    bias = np.zeros((1,) * rank)
    if described.bias is not None:
        bias = described.bias_on(to_numpy(described.bias), rank)
    units = {axis % rank for axis in described.channels}
    shape = [n if axis in units else 1 for axis, n in enumerate(before.shape)]
    factors = generator.uniform(0.5, 2, shape)
    kernel = to_numpy(described.kernel)
    described.kernel.assign(kernel * described.on_kernel(factors))
    expected = factors * (before - bias) + bias
    np.testing.assert_allclose(pre_activation(layer, x), expected, atol=1e-4)


@every_layer
@pytest.mark.same_on_each_backend
def test_one_factor_serves_all_units(name):
    layer, _, _ = built(name)
    assert layer_kernel(layer).on_kernel(np.full((1, 1, 1), 3.0)).shape == ()


@every_layer
@pytest.mark.same_on_each_backend
def test_a_shift_of_the_units_is_one_of_the_bias(name):
    layer, x, generator = built(name)
    described = layer_kernel(layer)
    if described.bias is None:
        pytest.skip("there is no bias")
    before = pre_activation(layer, x)
    rank = before.ndim
    shape = described.bias_on(to_numpy(described.bias), rank).shape
    for shift in (generator.normal(size=shape), np.full((1,) * rank, 2.0)):
        bias = to_numpy(described.bias)
        described.bias.assign(bias + described.on_bias(shift))
        np.testing.assert_allclose(pre_activation(layer, x), before + shift, atol=1e-4)
        described.bias.assign(bias)


def test_a_bias_that_units_share_gets_their_mean():
    layer = layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e")
    layer.build((None, 5, 4))
    shift = np.arange(6.0).reshape(1, 1, 2, 3)
    assert layer_kernel(layer).on_bias(shift).tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    "layer",
    [layers.BatchNormalization(), layers.LSTM(3), layers.Embedding(3, 4)],
)
def test_layers_without_a_kernel(layer):
    layer.build((None, 5, 4))
    assert layer_kernel(layer) is None


def test_attention_is_described_by_its_sublayers():
    attention = layers.MultiHeadAttention(2, 3)
    attention.build((None, 5, 4), (None, 5, 4))
    assert layer_kernel(attention) is None
    assert layer_kernel(attention.query_dense).axes.output == (1, 2)
    assert layer_kernel(attention.output_dense).axes.input == (0, 1)


def test_a_subclass_is_not_known():
    class Own(layers.Dense):
        pass

    layer = Own(3)
    layer.build((None, 4))
    assert not layer_kernel(layer).is_known


def test_a_layer_of_ones_own():
    class Own(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 2))

    layer = Own()
    assert layer_kernel(layer) is None
    layer.build((None, 4))
    assert layer_kernel(layer).kernel is layer.kernel
    assert layer_kernel(layer).bias is None
    assert not layer_kernel(layer).is_known


def test_the_depthwise_kernel_of_a_separable_layer_is_read_as_one():
    layer = layers.SeparableConv2D(6, 3)
    layer.build((None, *IMAGE))
    (kernel, axes), _ = layer_kernel(layer).kernels
    assert kernel is layer.depthwise_kernel
    assert (axes.batch, axes.spatial, axes.output) == ((2,), (0, 1), (3,))


def test_a_vector_is_not_for_initializers():
    class Own(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1],), initializer="ones")

    layer = Own()
    layer.build((None, 4))
    described = layer_kernel(layer)
    assert described.kernel is layer.kernel
    assert described.kernels == ()


def test_a_kernel_with_lora_is_the_one_that_can_be_assigned():
    layer = layers.Dense(6)
    layer.build((None, 5))
    kernel = layer.kernel
    layer.enable_lora(2)
    assert layer_kernel(layer).kernel is kernel
    assert not isinstance(layer.kernel, keras.Variable)
