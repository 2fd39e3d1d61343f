import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import initializers, layers

import keras_initx
from keras_initx import default_initializers
from keras_initx._backend.seeds import split
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.layer_kernel import layer_kernel

# Axes


AXES = {
    "conv": (lambda: layers.Conv1D(6, 3), (None, 9, 4)),
    "grouped": (lambda: layers.Conv2D(6, 3, groups=2), (None, 9, 9, 4)),
    "transposed": (lambda: layers.Conv2DTranspose(6, 3), (None, 9, 9, 4)),
    "depthwise": (lambda: layers.DepthwiseConv1D(3), (None, 9, 4)),
    "dense": (lambda: layers.Dense(6), (None, 4)),
    "batched": (
        lambda: layers.EinsumDense("bgi,gio->bgo", (2, 6)),
        (None, 2, 4),
    ),
}


class GroupedChild(layers.Conv1D):
    def __init__(self, filters, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(filters, 3, kernel_initializer=kernel_initializer, **kwargs)


@pytest.mark.parametrize(
    ("make", "shape"),
    [*AXES.values(), (lambda: GroupedChild(6, groups=2), (None, 9, 4))],
    ids=[*AXES, "subclass"],
)
def test_our_initializers_are_told_the_axes(make, shape):
    with default_initializers(kernel=keras_initx.HaarOrthogonal(seed=1)):
        layer = make()
    layer.build(shape)
    told = getattr(layer, "depthwise_initializer", None) or layer.kernel_initializer
    expected = layer_kernel(layer).axes
    axes = (told.input_axes, told.output_axes, told.batch_axes, told.groups)
    if isinstance(layer, layers.EinsumDense):
        assert (told.batch_axes, expected.batch) == ([0], (0,))
        return
    found = KernelAxes.resolve("test", expected.shape, *axes)
    assert found == expected


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.Conv3D(4, 2, strides=2), (None, 5, 5, 5, 3)),
        (lambda: layers.Conv2DTranspose(6, 3, strides=(2, 3)), (None, 9, 9, 4)),
        (lambda: layers.DepthwiseConv2D(3, 2), (None, 9, 9, 4)),
        (lambda: layers.Conv1D(6, 3, 2), (None, 9, 4)),
    ],
)
def test_our_initializers_are_told_the_strides(make, shape):
    with default_initializers(kernel=keras_initx.FanScaled(mode="fan_out")):
        layer = make()
    layer.build(shape)
    told = getattr(layer, "depthwise_initializer", None) or layer.kernel_initializer
    assert told.strides == layer_kernel(layer).axes.strides > 1


def test_a_separable_convolution_has_two_kernels():
    with default_initializers(kernel=keras_initx.HaarOrthogonal(seed=1)):
        layer = layers.SeparableConv2D(6, 3)
    assert layer.depthwise_initializer.batch_axes == [-2]
    assert layer.pointwise_initializer.batch_axes is None
    assert layer.depthwise_initializer.seed != layer.pointwise_initializer.seed


def test_axes_that_the_initializer_names_stay():
    named = keras_initx.HaarOrthogonal(seed=1, batch_axes=[0])
    with default_initializers(kernel=named):
        assert layers.DepthwiseConv2D(3).depthwise_initializer.batch_axes == [0]


@pytest.mark.parametrize("make", [make for make, _ in AXES.values()], ids=AXES)
def test_kernels_of_keras_are_those_of_the_explicit_argument(make):
    shape = next(shape for each, shape in AXES.values() if each is make)
    with default_initializers(kernel=initializers.HeNormal(seed=7)):
        layer = make()
    layer.build(shape)
    argument = (
        "depthwise_initializer"
        if hasattr(layer, "depthwise_initializer")
        else "kernel_initializer"
    )
    config = {**layer.get_config(), argument: initializers.HeNormal(seed=7)}
    other = type(layer).from_config(config)
    other.build(shape)
    for one, two in zip(layer.weights, other.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(two))


# Seeds


def network(seed):
    with default_initializers(
        kernel=initializers.HeNormal(seed=seed),
        recurrent=initializers.Orthogonal(seed=seed),
        embeddings=initializers.RandomNormal(seed=seed),
    ):
        inputs = keras.Input((4,), dtype="int32")
        x = layers.Embedding(7, 6)(inputs)
        x = layers.MultiHeadAttention(2, 3)(x, x)
        x = layers.GroupQueryAttention(3, 2, 2)(x, x)
        rnn = layers.SimpleRNN(6, return_sequences=True)
        x = layers.Bidirectional(rnn, merge_mode="sum")(x)
        rnn = layers.RNN(layers.GRUCell(6))
        x = layers.Bidirectional(rnn, merge_mode="sum")(x)
        for _ in range(3):
            x = layers.Dense(6)(x)
        return keras.Model(inputs, x)


def kernels(model):
    return [to_numpy(w).ravel() for w in model.weights if not w.path.endswith("bias")]


def assert_all_differ(arrays):
    for place, one in enumerate(arrays):
        for other in arrays[:place]:
            assert one.size != other.size or not np.array_equal(one, other)


def test_kernels_differ_and_a_second_run_draws_the_same():
    one, two = kernels(network(3)), kernels(network(3))
    assert_all_differ(one)
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(one[0], kernels(network(4))[0])


def test_the_first_layer_keeps_the_seed():
    with default_initializers(kernel=initializers.HeNormal(seed=3)):
        one, two, three = (layers.Dense(2) for _ in range(3))
    seeds = [each.kernel_initializer.seed for each in (one, two, three)]
    assert seeds[0] == 3
    assert len(set(seeds)) == 3


def test_a_class_hands_the_same_initializer_to_its_bases():
    with default_initializers(kernel=initializers.HeNormal(seed=3)):
        for expected in (3, split(3, 2)[1]):
            layer = GroupedChild(6)
            assert layer.kernel_initializer.seed == expected


@pytest.mark.parametrize(
    "kernel",
    [
        "he_normal",
        keras_initx.Blockwise(initializers.HeNormal(seed=3), 2),
        keras_initx.Blockwise(initializers.HeNormal(), 2),
    ],
)
def test_seeds_that_are_not_named_or_those_of_a_base(kernel):
    with default_initializers(kernel=kernel):
        dense = [layers.Dense(4) for _ in range(3)]
        attention = layers.MultiHeadAttention(2, 4)
    for each in dense:
        each.build((None, 4))
    attention.build((None, 4, 8), (None, 4, 8))
    assert_all_differ([to_numpy(each.kernel).ravel() for each in dense])
    assert_all_differ(kernels(attention))


def test_a_generator_moves_on():
    generator = keras.random.SeedGenerator(3)
    with default_initializers(kernel=initializers.HeNormal(seed=generator)):
        dense = [layers.Dense(4) for _ in range(2)]
        attention = layers.MultiHeadAttention(2, 4)
    for each in dense:
        each.build((None, 4))
    attention.build((None, 4, 8), (None, 4, 8))
    assert_all_differ([to_numpy(each.kernel).ravel() for each in dense])
    assert_all_differ(kernels(attention))
    assert dense[0].kernel_initializer.seed is generator


def test_an_initializer_of_the_caller_with_the_same_seed_stays():
    with default_initializers(kernel=initializers.HeNormal(seed=3)):
        layers.Dense(2)
        for _ in range(2):
            mine = layers.Dense(2, kernel_initializer=initializers.HeNormal(seed=3))
            assert mine.kernel_initializer.seed == 3


def test_an_initializer_that_does_not_name_its_arguments_is_shared():
    class Filled(initializers.Initializer):
        def __init__(self, value):
            self.value = value

        def __call__(self, shape, dtype=None):
            return keras.ops.full(shape, self.value, dtype=dtype)

    with default_initializers(kernel=Filled(6.0)):
        layer = layers.Dense(2)
    layer.build((None, 2))
    assert (to_numpy(layer.kernel) == 6).all()
