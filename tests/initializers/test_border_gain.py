"""border_gain and image_size: the spectral radius of the map of variances."""

import functools
import itertools
import math

import keras
import limits
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops

import keras_initx
from keras_initx import border_gain
from keras_initx.initializers import (
    ConvolutionOrthogonal,
    Dirac,
    FanScaled,
    GateIdentity,
    GateOrthogonal,
    HaarOrthogonal,
    OrthogonalDelta,
    RandomWalk,
    Siren,
    Sparse,
    ZerO,
)

SHARES = {
    "fan_scaled": lambda k: [1 / k] * k,
    "convolution_orthogonal": lambda k: [
        math.comb(k - 1, t) / 2 ** (k - 1) for t in range(k)
    ],
}
every_law = pytest.mark.parametrize("name", SHARES)


def variance_map(shares, size, dilation=1):
    """What each pixel reads of the variances, as Keras pads with zeros: slowly."""
    padding = (len(shares) - 1) * dilation
    matrix = np.zeros((size, size))
    for output, tap in itertools.product(range(size), range(len(shares))):
        read = output + tap * dilation - padding // 2
        if 0 <= read < size:
            matrix[output, read] += shares[tap]
    return matrix


def spectral_radius(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


def growth(matrix, steps=4000):
    """The same by powers of a positive vector: no rounding error is amplified."""
    vector = np.ones(len(matrix))
    for _ in range(steps):
        vector = matrix @ vector
        norm = vector.sum()
        vector /= norm
    return norm


# The map of variances


@pytest.mark.parametrize(
    ("kernel_size", "dilation"), [(3, 1), (4, 1), (5, 2), (2, 1), (2, 2), (4, 3)]
)
def test_the_map_is_that_of_a_keras_layer(kernel_size, dilation):
    """Each input pixel by itself, with independent weights in many channels."""
    layer = layers.Conv1D(
        40_000,
        kernel_size,
        padding="same",
        dilation_rate=dilation,
        kernel_initializer=FanScaled(distribution="normal", seed=1),
    )
    pixels = np.eye(7, dtype="float32")[..., None]
    outputs = to_numpy(layer(pixels)).astype("float64")
    expected = variance_map([1 / kernel_size] * kernel_size, 7, dilation).T
    for squares, variance in zip(outputs**2, expected, strict=True):
        for one, share in zip(squares, variance, strict=True):
            assert (one == 0).all() if share == 0 else True
            if share:
                limits.assert_mean(one, share)


@every_law
@pytest.mark.parametrize("size", [1, 2, 4, 8, 33])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 9])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.same_on_each_backend
def test_the_gain_of_odd_sizes_follows_from_the_eigenvalues(
    name, size, kernel_size, dilation
):
    root = spectral_radius(variance_map(SHARES[name](kernel_size), size, dilation))
    gain = border_gain(kernel_size, size, name, dilation_rate=dilation)
    assert gain == pytest.approx(root**-0.5, rel=1e-9)


@every_law
@pytest.mark.parametrize("size", [3, 8, 24])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(4, 1), (6, 1), (4, 2), (4, 3)])
@pytest.mark.same_on_each_backend
def test_the_gain_of_even_sizes_follows_from_powers(name, size, kernel_size, dilation):
    matrix = variance_map(SHARES[name](kernel_size), size, dilation)
    if dilation > 1:
        # Without the pixel itself the powers alternate: a half of it makes them even.
        root = 2 * growth((matrix + np.eye(size)) / 2) - 1
    else:
        root = growth(matrix)
    gain = border_gain(kernel_size, size, name, dilation_rate=dilation)
    assert gain == pytest.approx(root**-0.5, rel=1e-6)


def test_two_taps_leave_half_of_the_last_pixel():
    assert border_gain(2, 30) == pytest.approx(math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("size", [4, 8, 32, 1000])
def test_three_taps(size):
    cosine = math.cos(math.pi / (size + 1))
    for name, root in (
        ("fan_scaled", (1 + 2 * cosine) / 3),
        ("convolution_orthogonal", (1 + cosine) / 2),
    ):
        assert border_gain(3, size, name) == pytest.approx(root**-0.5, rel=1e-12)
        gain = border_gain((3, 3), size, name)
        assert gain == pytest.approx(1 / root, rel=1e-12)


def test_the_figures_of_the_docstring():
    assert 1 - 1 / border_gain((3, 3), 4) == pytest.approx(0.13, abs=0.005)
    assert 1 - 1 / border_gain((3, 3), 8) == pytest.approx(0.04, abs=0.005)


@pytest.mark.parametrize(("kernel_size", "error"), [(3, 1e-12), (9, 1e-6), (31, 1e-4)])
@every_law
@pytest.mark.same_on_each_backend
def test_the_gain_of_a_long_axis(name, kernel_size, error):
    root = np.linalg.eigvalsh(variance_map(SHARES[name](kernel_size), 520)).max()
    assert border_gain(kernel_size, 520, name) ** -2 == pytest.approx(root, abs=error)


def test_even_sizes_on_a_long_axis_are_near_their_limit():
    """It grows with the axis, to the least value of (1/r + 1 + r + r^2) / 4."""
    r = np.linspace(0.1, 2, 100_001)
    limit = ((1 / r + 1 + r + r**2) / 4).min()
    roots = [border_gain(4, size) ** -2 for size in (511, 512, 513, 5000)]
    assert roots == sorted(roots)
    assert limit - 1e-4 < roots[0] < roots[-1] < limit


@every_law
@pytest.mark.same_on_each_backend
def test_an_image_has_the_product_of_its_axes(name):
    maps = [
        variance_map(SHARES[name](k), n, d)
        for k, n, d in ((3, 4, 1), (5, 7, 2), (3, 5, 1))
    ]
    root = spectral_radius(functools.reduce(np.kron, maps))
    gain = border_gain((3, 5, 3), (4, 7, 5), name, dilation_rate=(1, 2, 1))
    assert gain == pytest.approx(root**-0.5, rel=1e-9)


@every_law
@pytest.mark.parametrize("kernel_size", [(3, 3), (4, 2)])
@pytest.mark.parametrize("depth", [1, 2, 25])
@pytest.mark.same_on_each_backend
def test_a_finite_depth_ends_where_it_started(name, kernel_size, depth):
    one, other = (
        variance_map(SHARES[name](k), n)
        for k, n in zip(kernel_size, (6, 9), strict=True)
    )
    gain = border_gain(kernel_size, (6, 9), name, depth=depth)
    layer = gain**2 * np.kron(one, other)
    ends = np.linalg.matrix_power(layer, depth) @ np.ones(54)
    assert ends.mean() == pytest.approx(1, rel=1e-9)


def test_a_great_depth_has_the_gain_of_many_layers():
    gains = [border_gain((3, 3), 5, depth=depth) for depth in (10, 1000, 100_000)]
    many = border_gain((3, 3), 5)
    # The end has a part of the start that does not depend on the depth.
    errors = [abs(math.log(gain / many)) for gain in gains]
    assert errors[1] * 1000 == pytest.approx(errors[2] * 100_000, rel=1e-3)
    assert errors[0] > 50 * errors[1]


@every_law
@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("size", [4, 8, 40])
@pytest.mark.same_on_each_backend
def test_the_mean_square_falls_once_and_not_below_the_bound(name, kernel_size, size):
    layer = variance_map(SHARES[name](kernel_size), size)
    layer *= border_gain(kernel_size, size, name) ** 2
    means = [
        np.linalg.matrix_power(layer, 2**power).mean() * size for power in range(20)
    ]
    assert 8 / math.pi**2 < means[-1] < 1
    assert means[-1] == pytest.approx(means[-2], rel=1e-6)
    ends = np.linalg.matrix_power(layer, 2**19) @ np.ones(size)
    assert ends.argmax() in (size // 2, (size - 1) // 2)
    assert ends[size // 2] > 1 > ends[0]


# Networks


def deep_network(kernels, x):
    """Convolutions of 3 x 3 taps with zero padding; many networks side by side."""
    size = x.shape[1]
    for kernel in kernels:
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        x = sum(
            np.einsum(
                "rhwc,rcd->rhwd", padded[:, i : i + size, j : j + size], kernel[:, i, j]
            )
            for i, j in np.ndindex(3, 3)
        )
    return x


@pytest.mark.parametrize("image_size", [None, 4])
@pytest.mark.parametrize("cls", [FanScaled, HaarOrthogonal, ConvolutionOrthogonal])
def test_the_drift_of_a_deep_network(cls, image_size):
    """The mean over the kernels is exact in any width: 40 networks of 10 layers."""
    initializer = cls(
        image_size=image_size,
        batch_axes=[0],
        seed=keras.random.SeedGenerator(2),
    )
    kernels = [
        to_numpy(initializer((40, 3, 3, 16, 16))).astype("float64") for _ in range(10)
    ]
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 16))
    outputs = deep_network(kernels, np.repeat(x, 40, axis=0))
    law = "convolution_orthogonal" if cls is ConvolutionOrthogonal else "fan_scaled"
    axis = variance_map(SHARES[law](3), 4)
    layer = np.kron(axis, axis)
    if image_size:
        layer /= spectral_radius(layer)
    variances = (x**2).mean(axis=-1).ravel()
    expected = (np.linalg.matrix_power(layer, 10) @ variances).mean()
    means = (outputs**2).mean(axis=(1, 2, 3))
    limits.assert_mean(means, expected)
    # A gain that is 5 % larger.
    with pytest.raises(AssertionError):
        limits.assert_mean(means * 1.05**20, expected)


def test_padding_that_repeats_pixels_loses_nothing():
    """The mean over kernels of the mean square, of an image with equal ones."""
    ratios = []
    for seed in range(40):
        layer = layers.Conv2D(
            32, 3, use_bias=False, kernel_initializer=FanScaled(seed=seed)
        )
        x = np.random.default_rng(seed).normal(size=(1, 3, 3, 32)).astype("float32")
        x /= np.sqrt((x**2).mean(axis=-1, keepdims=True))
        around = [(0, 0), (1, 1), (1, 1), (0, 0)]
        padded = ops.pad(ops.convert_to_tensor(x), around, mode="symmetric")
        ratios.append((to_numpy(layer(padded)).astype("float64") ** 2).mean())
    limits.assert_mean(np.array(ratios), 1.0)


# Initializers

EQUAL = (
    "he_normal",
    "glorot_uniform",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "orthogonal",
    keras.initializers.VarianceScaling(mode="fan_out"),
    {"class_name": "fan_scaled", "config": {"mode": "fan_out"}},
    FanScaled,
    HaarOrthogonal(gain="relu"),
    RandomWalk(),
    Siren(),
    Sparse(),
)


@pytest.mark.parametrize("initializer", EQUAL)
def test_equal_shares(initializer):
    assert border_gain((3, 3), 8, initializer) == border_gain((3, 3), 8)


@pytest.mark.parametrize(
    "initializer",
    [OrthogonalDelta(), Dirac(), ZerO(), GateOrthogonal(), GateIdentity()],
)
def test_one_tap_loses_nothing(initializer):
    assert border_gain((3, 4), (8, 5), initializer) == 1
    kernel = to_numpy(initializer((3, 4, 4, 4)))
    kernel[1, 1] = 0
    assert not kernel.any()


@pytest.mark.parametrize("cls", [FanScaled, HaarOrthogonal, ConvolutionOrthogonal])
class TestImageSize:
    @pytest.mark.parametrize("image_size", [6, [6, 9], (6, 9), np.int64(6)])
    @pytest.mark.parametrize("kernel_size", [(3, 3), (4, 1)])
    @pytest.mark.same_on_each_backend
    def test_it_multiplies_by_the_border_gain(self, cls, image_size, kernel_size):
        shape = (*kernel_size, 4, 6)
        kernel = to_numpy(cls(gain=0.7, image_size=image_size, seed=1)(shape))
        plain = to_numpy(cls(gain=0.7, seed=1)(shape))
        sizes = image_size if isinstance(image_size, list | tuple) else int(image_size)
        gain = border_gain(kernel_size, sizes, cls)
        assert gain > 1.01
        np.testing.assert_allclose(kernel, gain * plain, rtol=1e-5, atol=1e-7)

    def test_the_axes_of_the_image_are_the_spatial_ones(self, cls):
        initializer = cls(
            image_size=[6, 9], seed=1, input_axes=[1], output_axes=[0], batch_axes=[3]
        )
        plain = cls(seed=1, input_axes=[1], output_axes=[0], batch_axes=[3])
        shape = (6, 4, 3, 2, 5)
        ratio = np.linalg.norm(to_numpy(initializer(shape))) / np.linalg.norm(
            to_numpy(plain(shape))
        )
        assert ratio == pytest.approx(border_gain((3, 5), (6, 9), cls), rel=1e-5)

    @pytest.mark.parametrize("image_size", [6, [6, 9]])
    def test_a_kernel_without_spatial_axes_stays(self, cls, image_size):
        kernels = [cls(image_size=size, seed=1)((4, 6)) for size in (None, image_size)]
        np.testing.assert_array_equal(*map(to_numpy, kernels))

    def test_a_layer_with_strides_stays(self, cls):
        kernels = [
            cls(image_size=size, strides=4, seed=1)((3, 3, 4, 6)) for size in (None, 6)
        ]
        np.testing.assert_array_equal(*map(to_numpy, kernels))

    def test_a_saved_model_keeps_it(self, cls, tmp_path):
        layer = layers.Conv2D(
            4, 3, padding="same", kernel_initializer=cls(image_size=(6, 8), seed=1)
        )
        model = keras.Sequential([keras.Input((6, 8, 3)), layer])
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
        assert loaded.kernel_initializer.image_size == [6, 8]
        kernel = loaded.kernel_initializer((3, 3, 3, 4))
        np.testing.assert_array_equal(to_numpy(kernel), to_numpy(layer.kernel))

    @pytest.mark.parametrize("value", [0, -1, 1.5, True, "8", [], [8, 0], [8, 2.0]])
    @pytest.mark.same_on_each_backend
    def test_what_is_no_size_is_refused(self, cls, value):
        message = (
            f"`{cls.__name__}` needs `image_size` to be an integer of at least 1, or a "
            f"list of them. Received: image_size={value!r}. Pass for example 2, or "
            "[2, 2]."
        )
        with refuses(message):
            cls(image_size=value)


def test_reinitialize_makes_up_for_the_borders_of_one_layer():
    x = keras.Input((6, 6, 4))
    convolution = layers.Conv2D(8, 3, padding="same", name="convolution")
    model = keras.Model(x, layers.Conv2D(8, 3, strides=2)(convolution(x)))
    norms = []
    for size in (None, 6):
        keras_initx.schemes.reinitialize(
            model, {"*kernel": FanScaled(image_size=size)}, seed=1
        )
        norms.append([np.linalg.norm(to_numpy(w)) for w in model.weights if w.ndim > 1])
    ratios = np.divide(norms[1], norms[0])
    np.testing.assert_allclose(ratios, [border_gain((3, 3), 6), 1.0], rtol=1e-5)


# Errors

HINTS = {
    "sizes": "Pass for example 2, or [2, 2].",
    "unknown": "Pass that of your layers, for example 'convolution_orthogonal', "
    "'he_normal' for independent weights, or the base of an initializer that has one.",
}


@pytest.mark.parametrize("name", ["kernel_size", "image_size", "dilation_rate"])
@pytest.mark.parametrize("value", [0, 2.5, None, "3", [3, 0], []])
@pytest.mark.same_on_each_backend
def test_sizes_that_are_none(name, value):
    arguments = {"kernel_size": 3, "image_size": 8, name: value}
    message = (
        f"`border_gain` needs `{name}` to be an integer of at least 1, or a list of "
        f"them. Received: {name}={value!r}. {HINTS['sizes']}"
    )
    with refuses(message):
        border_gain(**arguments)


def test_a_depth_that_is_none():
    message = (
        "`border_gain` needs `depth` to be an integer of at least 1. Received: "
        "depth=0. Pass a positive int, for example 1."
    )
    with refuses(message):
        border_gain(3, 8, depth=0)


def test_lists_of_different_lengths():
    message = (
        "`border_gain` needs lists with one number for each spatial axis. Received: "
        "kernel_size=[3, 3], image_size=[8, 8, 8], dilation_rate=1. Pass lists of the "
        "same length, or integers."
    )
    with refuses(message):
        border_gain((3, 3), (8, 8, 8))


@pytest.mark.parametrize(
    "initializer", [None, "no_such", "zeros", "icnr", "looks_linear", len, 3.0]
)
def test_an_initializer_of_unknown_taps(initializer):
    message = (
        "`border_gain` needs an `initializer` of which it knows how the taps share the "
        f"variance. Received: initializer={initializer!r}. {HINTS['unknown']}"
    )
    with refuses(message):
        border_gain(3, 8, initializer)


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ((2, 1, "he_normal", 2), "kernel_size=2, image_size=1, dilation_rate=2"),
        ((2, 4, "he_normal", 5), "kernel_size=2, image_size=4, dilation_rate=5"),
        (
            ((3, 4), 8, "he_normal", (1, 20)),
            "kernel_size=[3, 4], image_size=8, dilation_rate=[1, 20]",
        ),
        (((4, 4), 8, "he_normal", 2, 9), None),
    ],
)
def test_a_convolution_from_which_nothing_arrives(arguments, received):
    if received is None:
        # With a dilation of 2 the even taps read both neighbours: much arrives.
        assert border_gain(*arguments) > 1
        return
    message = (
        "`border_gain` needs a convolution that keeps a part of the signal in the "
        f"image. Received: {received}, initializer='he_normal'. Take an odd kernel "
        "size, whose middle tap reads the pixel itself."
    )
    with refuses(message):
        border_gain(*arguments)


def test_a_tap_that_leaves_the_image_within_a_depth():
    message = (
        "`border_gain` needs a convolution that keeps a part of the signal in the "
        "image. Received: kernel_size=4, image_size=9, dilation_rate=3, "
        "initializer='dirac'. Take an odd kernel size, whose middle tap reads the "
        "pixel itself."
    )
    # The tap at (k - 1) // 2 reads the pixel before.
    assert border_gain(4, 9, "dirac", dilation_rate=3, depth=8) > 1
    with refuses(message):
        border_gain(4, 9, "dirac", dilation_rate=3, depth=9)
    with refuses(message):
        border_gain(4, 9, "dirac", dilation_rate=3)


@every_law
@pytest.mark.parametrize("kernel_size", [2, 4])
@pytest.mark.same_on_each_backend
def test_nothing_arrives_where_every_path_ends(name, kernel_size):
    """Each small image and dilation: the map of variances is nilpotent, or not."""
    seen = set()
    for dilation, size in itertools.product(range(1, 8), range(1, 14)):
        matrix = variance_map(SHARES[name](kernel_size), size, dilation)
        arrives = bool(np.linalg.matrix_power(matrix, size).any())
        seen.add(arrives)
        try:
            gain = border_gain(kernel_size, size, name, dilation_rate=dilation)
        except ValueError:
            gain = None
        assert (gain is not None) == arrives
    assert seen == {True, False}
