"""LooksLinear: mirrored kernels, and networks that are linear functions."""

import keras
import limits
import numpy as np
import pytest
from catalogue import refuses
from keras import layers, ops

from keras_initx.initializers import HaarOrthogonal, LooksLinear, OrthogonalDelta
from keras_initx.layers import CReLU

DEPTH = 50


def draw(initializer, shape):
    return ops.convert_to_numpy(initializer(shape))


def inputs(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def unmirrored(kernel, *axes):
    """The W of a mirrored kernel, in float64: half of each of these axes."""
    kernel = np.asarray(kernel, "float64")
    for axis in axes:
        kernel = np.split(kernel, 2, axis=axis)[0]
    return kernel


@pytest.mark.parametrize("kernel_size", [(), (3,), (2, 3), (3, 1, 2)])
def test_the_halves_are_mirrored(kernel_size):
    w = {
        mirror: draw(LooksLinear(mirror=mirror, seed=0), (*kernel_size, 6, 8))
        for mirror in ("input", "output", "both")
    }
    top, bottom = np.split(w["input"], 2, axis=-2)
    np.testing.assert_array_equal(top, -bottom)
    left, right = np.split(w["output"], 2, axis=-1)
    np.testing.assert_array_equal(left, -right)
    (a, b), (c, d) = (np.split(half, 2, -1) for half in np.split(w["both"], 2, -2))
    np.testing.assert_array_equal(a, d)
    np.testing.assert_array_equal(b, c)
    np.testing.assert_array_equal(a, -b)
    for block in (top, left, a):
        limits.assert_semi_orthogonal(block.reshape(-1, block.shape[-1]))


class TestLinearNetworks:
    """Each network equals the product of its W, which NumPy makes in float64."""

    def assert_linear(self, model, x, matrices):
        expected = np.asarray(x, "float64")
        for matrix in matrices:
            expected = expected @ matrix
        output = ops.convert_to_numpy(model(x))
        tolerance = limits.rounding(x.shape[-1], layers=DEPTH) * np.abs(expected).max()
        np.testing.assert_allclose(output, expected, atol=tolerance)

    def crelu_mlp(self, hidden):
        stack = [layers.Dense(24, kernel_initializer="haar_orthogonal")]
        for units in (DEPTH - 2) * [24] + [5]:
            stack += [CReLU(), layers.Dense(units, kernel_initializer=hidden)]
        return keras.Sequential([keras.Input((24,)), *stack])

    def test_a_crelu_mlp(self):
        model = self.crelu_mlp("looks_linear")
        first, *others = [w.numpy() for w in self.kernels(model)]
        matrices = [first.astype("float64"), *(unmirrored(k, 0) for k in others)]
        assert len(matrices) == DEPTH
        self.assert_linear(model, inputs(32, 24), matrices)

    def test_a_he_normal_mlp_is_not_linear(self):
        model = self.crelu_mlp("he_normal")
        x = inputs(32, 24)
        y, of_minus_x = (ops.convert_to_numpy(model(sign * x)) for sign in (1, -1))
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(of_minus_x, -y, rtol=1e-2)

    def test_a_plain_relu_mlp(self):
        mirrors = ["output"] + (DEPTH - 2) * ["both"] + ["input"]
        units = (DEPTH - 1) * [2 * 24] + [5]
        stack = [
            layers.Dense(
                n,
                activation=None if mirror == "input" else "relu",
                kernel_initializer=LooksLinear(mirror=mirror),
            )
            for n, mirror in zip(units, mirrors, strict=True)
        ]
        model = keras.Sequential([keras.Input((24,)), *stack])
        axes = {"output": [1], "both": [0, 1], "input": [0]}
        matrices = [
            unmirrored(kernel.numpy(), *axes[mirror])
            for kernel, mirror in zip(self.kernels(model), mirrors, strict=True)
        ]
        self.assert_linear(model, inputs(32, 24), matrices)

    def test_a_crelu_cnn(self):
        """With the delta-orthogonal base, one matrix acts on each pixel."""

        def convolution(initializer):
            return layers.Conv2D(8, 3, padding="same", kernel_initializer=initializer)

        stack = [convolution("orthogonal_delta")]
        for _ in range(DEPTH - 1):
            stack += [CReLU(), convolution(LooksLinear(base="orthogonal_delta"))]
        model = keras.Sequential([keras.Input((5, 5, 8)), *stack])
        first, *others = [kernel.numpy()[1, 1] for kernel in self.kernels(model)]
        matrices = [first.astype("float64"), *(unmirrored(k, 0) for k in others)]
        self.assert_linear(model, inputs(2, 5, 5, 8), matrices)

    @staticmethod
    def kernels(model):
        return [w for w in model.trainable_variables if w.path.endswith("kernel")]


def assert_affine(stack, *shape):
    """The definition of an affine function, of a network with these layers."""
    model = keras.Sequential([keras.Input(shape), *stack])
    zero, x, y = inputs(3, 4, *shape) * np.reshape([0, 1, 1], (3, 1, *[1] * len(shape)))
    of_zero, of_x, of_y, of_sum = (
        ops.convert_to_numpy(model(each.astype("float32"))).astype("float64")
        for each in (zero, x, y, 2 * x - 3 * y)
    )
    expected = of_zero + 2 * (of_x - of_zero) - 3 * (of_y - of_zero)
    tolerance = limits.rounding(200, layers=4) * np.abs(expected).max()
    np.testing.assert_allclose(of_sum, expected, atol=tolerance)


@pytest.mark.same_on_each_backend
class TestAffineNetworks:
    """What the docstring says of biases, Flatten, groups and normalization."""

    def test_crelu_with_any_bias(self):
        stack = [layers.Dense(8, bias_initializer="random_normal")]
        for _ in range(2):
            dense = layers.Dense(8, "linear", True, "looks_linear", "random_normal")
            stack += [CReLU(), dense]
        assert_affine(stack, 6)

    def relu(self, bias):
        """A plain ReLU network of doubled width."""
        return [
            layers.Dense(n, activation, True, LooksLinear(mirror=mirror), bias)
            for n, activation, mirror in (
                (12, "relu", "output"),
                (12, "relu", "both"),
                (3, None, "input"),
            )
        ]

    def test_relu_without_a_bias(self):
        assert_affine(self.relu("zeros"), 6)
        with pytest.raises(AssertionError):
            assert_affine(self.relu("random_normal"), 6)

    def flat(self, *after, **arguments):
        mirror = LooksLinear(**arguments)
        dense = layers.Dense(5, kernel_initializer=mirror)
        return [layers.Conv2D(4, 3, bias_initializer="ones"), *after, dense]

    def test_flatten_before_crelu(self):
        assert_affine(self.flat(layers.Flatten(), CReLU()), 5, 5, 2)
        with pytest.raises(AssertionError):
            assert_affine(self.flat(CReLU(), layers.Flatten()), 5, 5, 2)

    def test_flatten_after_crelu(self):
        assert_affine(self.flat(CReLU(), layers.Flatten(), period=8), 5, 5, 2)
        with pytest.raises(AssertionError):
            assert_affine(self.flat(CReLU(), layers.Flatten(), period=4), 5, 5, 2)

    def test_flatten_after_crelu_on_the_first_axis(self):
        """The halves of the whole vector are those of the channels."""
        first = CReLU(data_format="channels_first")
        assert_affine(self.flat(first, layers.Flatten()), 5, 5, 2)

    def test_flatten_in_a_plain_network(self):
        filters = layers.Conv1D(
            6, 3, activation="gelu", kernel_initializer=LooksLinear(mirror="output")
        )
        mirror = LooksLinear(mirror="both", period=6)
        hidden = layers.Dense(8, "gelu", kernel_initializer=mirror)
        last = layers.Dense(3, kernel_initializer="looks_linear")
        assert_affine([filters, layers.Flatten(), hidden, last], 7, 2)

    @pytest.mark.parametrize("activation", ["gelu", "silu", "hard_silu", "softplus"])
    def test_other_activations(self, activation):
        stack = [
            layers.Dense(n, a, kernel_initializer=LooksLinear(mirror=mirror))
            for n, a, mirror in (
                (12, activation, "output"),
                (12, activation, "both"),
                (3, None, "input"),
            )
        ]
        assert_affine(stack, 6)

    @pytest.mark.parametrize("multiplier", [1, 3])
    def test_a_depthwise_convolution_after_crelu(self, multiplier):
        copied = LooksLinear("he_normal", batch_axes=[-2])
        depthwise = layers.DepthwiseConv1D(
            3, depth_multiplier=multiplier, depthwise_initializer=copied
        )
        last = layers.Conv1D(3, 2, kernel_initializer="looks_linear")
        assert_affine([layers.Conv1D(4, 3), CReLU(), depthwise, last], 9, 2)

    def test_a_separable_convolution_after_crelu(self):
        separable = layers.SeparableConv1D(
            3,
            3,
            depth_multiplier=2,
            depthwise_initializer=LooksLinear("he_normal", batch_axes=[-2]),
            pointwise_initializer="looks_linear",
        )
        assert_affine([layers.Conv1D(4, 3), CReLU(), separable], 9, 2)

    def test_a_depthwise_convolution_before_relu(self):
        """The outputs of each channel are mirrored, so the period is their number."""
        mirror = LooksLinear("he_normal", mirror="output", batch_axes=[-2])
        depthwise = layers.DepthwiseConv1D(
            3, depth_multiplier=4, activation="relu", depthwise_initializer=mirror
        )
        last = layers.Conv1D(3, 2, kernel_initializer=LooksLinear(period=4))
        assert_affine([depthwise, last], 9, 2)

    def test_a_transposed_convolution_after_crelu(self):
        mirror = LooksLinear(input_axes=[-1], output_axes=[-2])
        last = layers.Conv1DTranspose(5, 3, kernel_initializer=mirror)
        assert_affine([layers.Conv1D(4, 3), CReLU(), last], 9, 2)

    def test_einsum_dense_after_crelu(self):
        heads = layers.EinsumDense(
            "abc,cde->abde", (None, 2, 3), kernel_initializer="looks_linear"
        )
        assert_affine([layers.Dense(4), CReLU(), heads], 5, 2)

    def grouped(self, **arguments):
        """A convolution in three groups."""
        initializer = LooksLinear("he_normal", **arguments)
        return layers.Conv1D(12, 3, groups=3, kernel_initializer=initializer)

    def test_grouped_convolutions_after_crelu(self):
        first = layers.Conv1D(12, 3, bias_initializer="ones")
        second = self.grouped(groups=3)
        assert_affine([first, CReLU(groups=3), second], 8, 2)
        with pytest.raises(AssertionError):
            assert_affine([first, CReLU(), second], 8, 2)

    def test_grouped_relu_convolutions(self):
        stack = []
        for mirror in ("output", "both", "input"):
            stack.append(self.grouped(mirror=mirror, groups=3))
            stack.append(layers.ReLU())
        assert_affine(stack[:-1], 9, 6)

    def test_groups_of_the_next_layer(self):
        first = layers.Conv1D(
            12, 3, kernel_initializer=LooksLinear(mirror="output", groups=3)
        )
        last = self.grouped(groups=3)
        assert_affine([first, layers.ReLU(), last], 9, 6)

    def test_normalization_before_crelu_only(self):
        def stack(*after):
            return [layers.Dense(8), *after, layers.Dense(3, kernel_initializer=mirror)]

        mirror = LooksLinear(seed=1)
        scale = {"gamma_initializer": "random_normal"}
        assert_affine(stack(layers.BatchNormalization(**scale), CReLU()), 6)
        with pytest.raises(AssertionError):
            assert_affine(stack(CReLU(), layers.BatchNormalization(**scale)), 6)


class TestDepthwiseKernels:
    def test_both_halves_are_equal(self):
        kernel = draw(LooksLinear("he_normal", batch_axes=[-2], seed=0), (3, 3, 8, 2))
        np.testing.assert_array_equal(kernel[:, :, :4], kernel[:, :, 4:])
        assert len(np.unique(kernel)) == kernel.size // 2

    def test_in_runs(self):
        mirror = LooksLinear("he_normal", batch_axes=[-2], period=4, seed=0)
        kernel = draw(mirror, (3, 8, 1))
        np.testing.assert_array_equal(kernel[:, [0, 1, 4, 5]], kernel[:, [2, 3, 6, 7]])

    def test_the_outputs_of_each_channel(self):
        mirror = LooksLinear("he_normal", "output", batch_axes=[-2], seed=0)
        kernel = draw(mirror, (3, 5, 4))
        np.testing.assert_array_equal(kernel[..., :2], -kernel[..., 2:])

    def test_both_is_not_possible(self):
        message = (
            "`LooksLinear` needs a kernel with axes to mirror (mirror='both'). "
            "Received: shape=(3, 3, 4, 2), which has the input axes (), the output "
            "axes (3,) and the batch axes (2,). A depthwise convolution takes "
            "mirror='input', which makes the kernels of both halves equal, or `base` "
            "itself."
        )
        with refuses(message):
            LooksLinear(mirror="both", batch_axes=[-2])((3, 3, 4, 2))


@pytest.mark.parametrize("mirror", ["input", "both"])
def test_each_run_of_a_period_is_mirrored(mirror):
    kernel = draw(LooksLinear(mirror=mirror, period=4, seed=0), (3, 12, 6))
    if mirror == "both":
        kernel, negative = np.split(kernel, 2, axis=-1)
        np.testing.assert_array_equal(kernel, -negative)
    for start in (0, 4, 8):
        first, second = kernel[:, start : start + 2], kernel[:, start + 2 : start + 4]
        np.testing.assert_array_equal(first, -second)
    half = np.concatenate([kernel[:, n : n + 2] for n in (0, 4, 8)], axis=1)
    limits.assert_semi_orthogonal(half.reshape(18, -1))


def test_a_period_that_does_not_divide_the_inputs():
    message = (
        "`LooksLinear` needs a number of inputs that is a multiple of `period`. "
        "Received: period=8, shape=(12, 5), where axis 0 has size 12. Pass the number "
        "of channels that `CReLU` returns before `Flatten`."
    )
    with refuses(message):
        LooksLinear(period=8)((12, 5))


@pytest.mark.parametrize("period", [0, 3, -2, 2.0, True, "all"])
def test_a_bad_period(period):
    message = (
        "`LooksLinear` needs `period` to be an even integer of at least 2, or None. "
        f"Received: period={period!r}. Pass the number of channels that `CReLU` "
        "returns before `Flatten`."
    )
    with refuses(message):
        LooksLinear(period=period)


def test_a_period_of_outputs():
    message = (
        "`LooksLinear` needs no `period` where only the outputs are mirrored. "
        "Received: period=4, mirror='output'. A period is one of inputs; for runs of "
        "outputs pass `groups`."
    )
    with refuses(message):
        LooksLinear(mirror="output", period=4)


class TestWrongLayers:
    """What the shape does not tell, the layer that is being built does."""

    @pytest.mark.parametrize(
        ("layer", "what", "axes", "advice"),
        [
            (
                layers.DepthwiseConv1D(3, depthwise_initializer="looks_linear"),
                "a depthwise convolution",
                "shape=(3, 4, 1), with the input axes (1,) and the output axes (2,)",
                "Pass `batch_axes=[-2]`.",
            ),
            (
                layers.SeparableConv1D(2, 3, depthwise_initializer="looks_linear"),
                "a depthwise convolution",
                "shape=(3, 4, 1), with the input axes (1,) and the output axes (2,)",
                "Pass `batch_axes=[-2]`.",
            ),
            (
                layers.Conv1DTranspose(2, 3, kernel_initializer="looks_linear"),
                "a transposed convolution",
                "shape=(3, 2, 4), with the input axes (1,) and the output axes (2,)",
                "Pass `input_axes=[-1]` and `output_axes=[-2]`.",
            ),
        ],
    )
    def test_axes(self, layer, what, axes, advice):
        message = (
            f"`LooksLinear` needs to know that the kernel is that of {what}. Received: "
            f"mirror='input', groups=1, {axes}. {advice}"
        )
        with refuses(message):
            layer.build((None, 8, 4))

    @pytest.mark.parametrize("mirror", ["output", "both"])
    def test_groups(self, mirror):
        layer = layers.Conv1D(
            12, 3, groups=3, kernel_initializer=LooksLinear(mirror=mirror)
        )
        message = (
            "`LooksLinear` needs to know that the kernel is that of a convolution with "
            f"groups=3. Received: mirror={mirror!r}, groups=1, shape=(3, 2, 12), with "
            "the input axes (1,) and the output axes (2,). Pass `groups=3`."
        )
        with refuses(message):
            layer.build((None, 8, 6))


def test_a_crelu_cnn_of_any_base_is_additive():
    """Full kernels mix pixels, so the test is the definition of a linear function."""
    stack = [layers.Conv2D(8, 3, kernel_initializer="haar_orthogonal", padding="same")]
    for base in ["haar_orthogonal", "glorot_uniform", "lecun_normal"]:
        mirrored = LooksLinear(base=base)
        stack += [
            CReLU(),
            layers.Conv2D(8, 3, kernel_initializer=mirrored, padding="same"),
            layers.AveragePooling2D(2),
        ]
    model = keras.Sequential([keras.Input((16, 16, 3)), *stack])
    x, y = inputs(2, 4, 16, 16, 3)
    of_sum = ops.convert_to_numpy(model(2 * x - 3 * y))
    sum_of = 2 * ops.convert_to_numpy(model(x)) - 3 * ops.convert_to_numpy(model(y))
    tolerance = limits.rounding(9 * 8, layers=4) * np.abs(sum_of).max()
    np.testing.assert_allclose(of_sum, sum_of, atol=tolerance)


class TestBase:
    def test_it_sees_half_of_the_fan(self):
        kernel = draw(LooksLinear(base="he_normal", seed=0), (3, 3, 8, 400))
        limits.assert_stddev(unmirrored(kernel, 2), np.sqrt(2 / (3 * 3 * 4)))

    def test_it_is_the_base_with_our_seed(self):
        kernel = draw(LooksLinear(base=OrthogonalDelta(2.0), seed=7), (3, 3, 8, 5))
        expected = draw(OrthogonalDelta(2.0, seed=7), (3, 3, 4, 5))
        np.testing.assert_array_equal(kernel[:, :, :4], expected)

    def test_its_own_seed_holds_where_we_have_none(self):
        kernel = draw(LooksLinear(base=HaarOrthogonal(seed=7)), (8, 5))
        expected = draw(HaarOrthogonal(seed=7), (4, 5))
        np.testing.assert_array_equal(kernel[:4], expected)

    def test_its_own_seed_holds_in_attention(self):
        """There Keras hands our live seed to a new instance."""
        initializer = LooksLinear(base=HaarOrthogonal(seed=7))
        layer = layers.EinsumDense("ab,bc->ac", 5, kernel_initializer=initializer)
        layer.build((None, 8))
        expected = draw(HaarOrthogonal(seed=7), (4, 5))
        np.testing.assert_array_equal(layer.kernel.numpy()[:4], expected)

    def test_it_gets_our_axes(self):
        axes = {"input_axes": [-1], "output_axes": [-2]}
        kernel = draw(LooksLinear(seed=0, **axes), (3, 5, 8))
        matrix = np.moveaxis(kernel[..., :4], 1, -1).reshape(12, 5)
        limits.assert_semi_orthogonal(matrix)

    def test_what_it_says_of_its_axes_stays(self):
        base = HaarOrthogonal(input_axes=[0], output_axes=[1], batch_axes=[2])
        kernel = draw(LooksLinear(base, mirror="input", seed=0), (4, 4, 6))
        for matrix in np.moveaxis(kernel[:, :2], -1, 0):
            limits.assert_semi_orthogonal(matrix)

    def test_it_gets_our_groups(self):
        kernel = draw(LooksLinear(seed=0, groups=2), (3, 4, 8))
        for block in np.split(kernel[:, :2], 2, axis=-1):
            limits.assert_semi_orthogonal(block.reshape(6, 4))

    def test_it_may_be_an_initializer_without_a_seed(self):
        kernel = draw(LooksLinear(base="identity", seed=3), (8, 4))
        np.testing.assert_array_equal(kernel, np.vstack([np.eye(4), -np.eye(4)]))

    def test_it_may_be_a_function(self):
        for ones in (lambda shape, dtype: ops.ones(shape), np.ones):
            kernel = draw(LooksLinear(base=ones), (2, 1))
            np.testing.assert_array_equal(kernel, [[1], [-1]])


def test_the_last_of_several_input_axes_is_mirrored():
    """The output kernel of attention is (heads, value_dim, channels)."""
    initializer = LooksLinear(input_axes=[0, 1], output_axes=[2], seed=0)
    kernel = draw(initializer, (3, 4, 10))
    np.testing.assert_array_equal(kernel[:, :2], -kernel[:, 2:])
    limits.assert_semi_orthogonal(kernel[:, :2].reshape(6, 10))


@pytest.mark.parametrize(
    ("mirror", "shape", "axis"),
    [("input", (3, 4), 0), ("output", (4, 3), 1), ("both", (3, 3, 4, 5), 3)],
)
def test_an_odd_mirrored_axis(mirror, shape, axis):
    message = (
        "`LooksLinear` needs an even size of each mirrored axis "
        f"(mirror={mirror!r}). Received: shape={shape}, where axis {axis} has size "
        f"{shape[axis]}. Use an even number of channels. Use `base` itself if the "
        "layer's inputs and outputs are not doubled."
    )
    with refuses(message):
        LooksLinear(mirror=mirror)(shape)


def test_an_unknown_mirror():
    message = (
        "`LooksLinear` needs a known `mirror`. Received: mirror='left'. Choose one of: "
        "'input', 'output', 'both'."
    )
    with refuses(message):
        LooksLinear(mirror="left")


def test_no_base():
    message = (
        "`LooksLinear` needs a `base` initializer. Received: base=None. Pass for "
        "example 'haar_orthogonal' or 'he_normal'."
    )
    with refuses(message):
        LooksLinear(base=None)
