"""Every initializer, in every layer that takes one."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from catalogue import (
    BACKEND,
    CATALOGUE,
    IDS,
    SHORT_SHAPE,
    dtype_of,
    matrix,
    singular_values,
    to_numpy,
)

from keras_initx import initializers

layers = keras.layers
ORTHOGONAL_IDS = ("orthogonal_delta", "haar_orthogonal")

every_id = pytest.mark.parametrize("short_id", IDS)
# Those that fill a square kernel of even size, at least.
KERNELS = [row for row in CATALOGUE if 2 in row.ranks]
every_class = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)


@dataclasses.dataclass(frozen=True)
class Use:
    """A layer, the inputs it is called on, and its arguments that are initializers."""

    layer: Callable[..., keras.layers.Layer]
    input_shape: tuple[int, ...]
    takes: tuple[str, ...] = ("kernel_initializer",)


def wrapped(wrapper, layer, **kwargs):
    """A wrapper around a layer that gets the initializers."""
    return wrapper(layer(**kwargs))


def self_attention(layer):
    """Calls an attention layer on one tensor."""

    class SelfAttention(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(dtype=kwargs.get("dtype"))
            self.attention = layer(**kwargs)

        def call(self, inputs):
            return self.attention(inputs, inputs)

    return SelfAttention


RECURRENT = ("kernel_initializer", "recurrent_initializer")
DEPTHWISE = ("depthwise_initializer",)
SEPARABLE = ("depthwise_initializer", "pointwise_initializer")
one = functools.partial

# Four units everywhere: kernels then share their shapes, which JAX compiles once.
USES = {
    "Dense": Use(one(layers.Dense, 4), (2, 4)),
    "EinsumDense": Use(one(layers.EinsumDense, "bc,cd->bd", 4), (2, 4)),
    "EinsumDense_grouped": Use(
        one(layers.EinsumDense, "bgi,gio->bgo", (2, 4)), (2, 2, 4)
    ),
    "Conv1D": Use(one(layers.Conv1D, 4, 3), (2, 4, 4)),
    "Conv2D": Use(one(layers.Conv2D, 4, 3), (2, 4, 4, 4)),
    "Conv3D": Use(one(layers.Conv3D, 4, 3), (2, 4, 4, 4, 4)),
    "Conv2D_grouped": Use(one(layers.Conv2D, 4, 3, groups=2), (2, 4, 4, 4)),
    "DepthwiseConv1D": Use(one(layers.DepthwiseConv1D, 3), (2, 4, 4), DEPTHWISE),
    "DepthwiseConv2D": Use(one(layers.DepthwiseConv2D, 3), (2, 4, 4, 4), DEPTHWISE),
    "SeparableConv1D": Use(one(layers.SeparableConv1D, 4, 3), (2, 4, 4), SEPARABLE),
    "SeparableConv2D": Use(one(layers.SeparableConv2D, 4, 3), (2, 4, 4, 4), SEPARABLE),
    "Conv1DTranspose": Use(one(layers.Conv1DTranspose, 4, 3), (2, 4, 4)),
    "Conv2DTranspose": Use(one(layers.Conv2DTranspose, 4, 3), (2, 4, 4, 4)),
    "Conv3DTranspose": Use(one(layers.Conv3DTranspose, 4, 3), (2, 4, 4, 4, 4)),
    "Embedding": Use(one(layers.Embedding, 4, 4), (2, 4), ("embeddings_initializer",)),
    "SimpleRNN": Use(one(layers.SimpleRNN, 4, unroll=True), (2, 2, 4), RECURRENT),
    "LSTM": Use(one(layers.LSTM, 4, unroll=True), (2, 2, 4), RECURRENT),
    "GRU": Use(one(layers.GRU, 4, unroll=True), (2, 2, 4), RECURRENT),
    "ConvLSTM2D": Use(
        one(layers.ConvLSTM2D, 4, 3, unroll=True), (2, 2, 4, 4, 4), RECURRENT
    ),
    "Bidirectional": Use(
        one(wrapped, layers.Bidirectional, one(layers.LSTM, 4, unroll=True)),
        (2, 2, 4),
        RECURRENT,
    ),
    "TimeDistributed": Use(
        one(wrapped, layers.TimeDistributed, one(layers.Dense, 4)), (2, 4, 4)
    ),
    "MultiHeadAttention": Use(
        self_attention(one(layers.MultiHeadAttention, 2, 2)), (2, 4, 4)
    ),
    "GroupQueryAttention": Use(
        self_attention(one(layers.GroupQueryAttention, 2, 2, 1)), (2, 4, 4)
    ),
}

every_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


def built_and_called(use, initializer, **kwargs):
    """The output of the layer, all of whose initializers are this one."""
    layer = use.layer(**dict.fromkeys(use.takes, initializer), **kwargs)
    inputs = np.random.default_rng(0).integers(0, 4, use.input_shape)
    return layer, layer(keras.ops.convert_to_tensor(inputs.astype("float32")))


def kernels_of(layer):
    return [weight for weight in layer.weights if "bias" not in weight.path]


def must_know_its_axes(use, short_id):
    """Whether an initializer would mirror the wrong axes, if it is not told them."""
    name = getattr(use.layer, "func", use.layer).__name__
    return short_id == "looks_linear" and any(
        part in name for part in ("Depthwise", "Separable", "Transpose")
    )


@every_use
@every_id
@pytest.mark.same_on_each_backend
def test_a_string_works_in_each_layer(use, short_id):
    if must_know_its_axes(use, short_id):
        with pytest.raises(ValueError, match="`LooksLinear` needs to know that"):
            built_and_called(use, short_id)
        return
    layer, output = built_and_called(use, short_id)
    assert np.isfinite(to_numpy(output)).all()
    # An identity fills the first gate of a recurrent kernel only.
    assert to_numpy(output).any() or short_id == "dirac"
    for weight in kernels_of(layer):
        assert to_numpy(weight).any()


@pytest.mark.parametrize(
    "row",
    [row for row in CATALOGUE if row.ids and row.fills_any_kernel],
    ids=lambda row: row.name,
)
@pytest.mark.parametrize("kind", ["Dense", "Conv2D", "LSTM", "MultiHeadAttention"])
@pytest.mark.parametrize(
    ("policy", "of_variables"),
    [
        ("mixed_bfloat16", "float32"),
        ("mixed_float16", "float32"),
        ("bfloat16", "bfloat16"),
        ("float16", "float16"),
    ],
)
@pytest.mark.same_on_each_backend
def test_a_string_works_under_each_dtype_policy(kind, row, policy, of_variables):
    layer, output = built_and_called(USES[kind], row.ids[0], dtype=policy)
    assert np.isfinite(to_numpy(output)).all()
    assert {dtype_of(variable) for variable in layer.weights} == {of_variables}


@every_id
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_string_works_in_a_variable(short_id, dtype):
    variable = keras.Variable(short_id, shape=SHORT_SHAPE, dtype=dtype)
    assert tuple(variable.shape) == SHORT_SHAPE
    assert dtype_of(variable) == dtype
    assert to_numpy(variable).any()


@every_id
def test_a_string_works_in_the_weight_of_a_custom_layer(short_id):
    class Projection(keras.layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight((input_shape[-1], 6), initializer=short_id)

        def call(self, inputs):
            return keras.ops.matmul(inputs, self.kernel)

    output = Projection()(keras.ops.reshape(keras.ops.arange(8.0), (2, 4)))
    assert to_numpy(output).any()


# Axes: attention and EinsumDense tell them, and the kernel follows.


def assert_semi_orthogonal(kernel, inputs, outputs):
    singular = singular_values(matrix(kernel, inputs, outputs))
    np.testing.assert_allclose(singular, np.ones_like(singular), atol=1e-5)


@pytest.mark.parametrize("short_id", ORTHOGONAL_IDS)
@pytest.mark.parametrize(
    ("heads", "key_dim", "value_dim", "width"),
    [(8, 64, 64, 64), (2, 4, 3, 12)],
)
def test_multi_head_attention_is_semi_orthogonal(
    short_id, heads, key_dim, value_dim, width
):
    layer = layers.MultiHeadAttention(
        heads, key_dim, value_dim=value_dim, kernel_initializer=short_id
    )
    layer.build((2, 4, width), (2, 4, width))
    for projection, size in (
        (layer.query_dense, key_dim),
        (layer.key_dense, key_dim),
        (layer.value_dense, value_dim),
    ):
        assert tuple(projection.kernel.shape) == (width, heads, size)
        assert_semi_orthogonal(projection.kernel, (0,), (1, 2))
    output = layer.output_dense.kernel
    assert tuple(output.shape) == (heads, value_dim, width)
    assert_semi_orthogonal(output, (0, 1), (2,))


@pytest.mark.parametrize("short_id", ORTHOGONAL_IDS)
@pytest.mark.parametrize("width", [6, 20])
def test_group_query_attention_is_semi_orthogonal(short_id, width):
    layer = layers.GroupQueryAttention(4, 4, 2, kernel_initializer=short_id)
    layer.build((2, 4, width), (2, 4, width))
    *projections, output = [weight for weight in layer.weights if weight.ndim == 3]
    shapes = [tuple(kernel.shape) for kernel in projections]
    assert shapes == [(width, 4, 4), (width, 2, 4), (width, 2, 4)]
    for kernel in projections:
        assert_semi_orthogonal(kernel, (0,), (1, 2))
    assert tuple(output.shape) == (4, 4, width)
    assert_semi_orthogonal(output, (0, 1), (2,))


@pytest.mark.parametrize("cls", [initializers.OrthogonalDelta, initializers.Sparse])
def test_einsum_dense_hands_over_its_axes(cls):
    layer = layers.EinsumDense(
        "abc,cde->abde", (2, 2, 3), kernel_initializer=cls(seed=1)
    )
    layer.build((2, 2, 4))
    expected = cls(seed=1, input_axes=[0], output_axes=[1, 2])((4, 2, 3))
    np.testing.assert_array_equal(to_numpy(layer.kernel), to_numpy(expected))


@pytest.mark.parametrize("short_id", ORTHOGONAL_IDS)
def test_grouped_einsum_dense_is_semi_orthogonal_in_each_group(short_id):
    initializer = keras.initializers.get(
        {"class_name": short_id, "config": {"batch_axes": [0]}}
    )
    layer = layers.EinsumDense("bgi,gio->bgo", (2, 6), kernel_initializer=initializer)
    layer.build((2, 2, 4))
    kernel = to_numpy(layer.kernel)
    for group in kernel:
        assert_semi_orthogonal(group, (0,), (1,))
    assert not np.array_equal(kernel[0], kernel[1])


def test_each_attention_kernel_without_a_seed_is_its_own():
    layer = layers.MultiHeadAttention(2, 4, kernel_initializer="orthogonal_delta")
    layer.build((2, 4, 8), (2, 4, 8))
    query, key, value = (
        to_numpy(projection.kernel)
        for projection in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    assert not np.array_equal(query, key)
    assert not np.array_equal(key, value)


# Compiled and symbolic calls


class Unbuilt(keras.Model):
    """A layer of each class, and attention, built only when `fit` sees the data.

    Keras then calls each initializer several times, in part symbolically.
    """

    def __init__(
        self,
        seed_for: Callable[[int], Any],
        rows: list[Any],
        with_attention: bool,
    ) -> None:
        super().__init__()
        self.rows = rows
        self.projections = [
            layers.Dense(4, kernel_initializer=row.fixed(seed=seed_for(index)))
            for index, row in enumerate(rows)
        ]
        initializer = initializers.OrthogonalDelta(seed=seed_for(-1))
        self.attention = (
            layers.MultiHeadAttention(2, 2, kernel_initializer=initializer)
            if with_attention
            else None
        )

    def call(self, inputs):
        for projection in self.projections:
            inputs = projection(inputs)
        return self.attention(inputs, inputs) if self.attention else inputs


def fit_without_learning(model, jit_compile):
    """One epoch with the learning rate 0: the weights stay as they started."""
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=jit_compile)
    inputs = np.random.default_rng(0).normal(size=(4, 2, 4)).astype("float32")
    history = model.fit(inputs, inputs, batch_size=2, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.same_on_each_backend
def test_a_layer_that_is_asked_for_its_shape_draws_nothing(monkeypatch):
    """It reads its kernel there, and Keras then asks the initializer each time."""
    asked, drawn = [], []
    cls = initializers.OrthogonalDelta
    call, draw = cls.__call__, cls.draw

    def count(calls, method):
        def counted(*args, **kwargs):
            calls.append(method)
            return method(*args, **kwargs)

        return counted

    monkeypatch.setattr(cls, "__call__", count(asked, call))
    monkeypatch.setattr(cls, "draw", count(drawn, draw))

    class Late(layers.Layer):
        def build(self, input_shape):
            self.inner = layers.Dense(4, kernel_initializer=cls(seed=1))

        def call(self, x):
            return self.inner(x)

    layer = Late()
    keras.Model(inputs := keras.Input((3,)), layer(inputs))
    assert len(asked) > len(drawn) == 1
    expected = cls(seed=1)((3, 4))
    np.testing.assert_array_equal(to_numpy(layer.inner.kernel), to_numpy(expected))


COMPILED_ON_TORCH = KERNELS[::8]
jit_on_and_off = pytest.mark.parametrize("jit_compile", [False, True])
# One test with torch.compile, which takes ten seconds, stands for both.
jit_on_and_off_but_on_torch = pytest.mark.parametrize(
    "jit_compile", [False] if BACKEND == "torch" else [False, True]
)


def unbuilt_model(jit_compile, seed_for):
    # torch.compile fails in Keras's attention, whatever the initializer. It calls a C++
    # compiler for each layer, and no initializer: a few of them stand for all.
    if jit_compile and BACKEND == "torch":
        return Unbuilt(seed_for, COMPILED_ON_TORCH, with_attention=False)
    return Unbuilt(seed_for, KERNELS, with_attention=True)


@jit_on_and_off
def test_fit_of_an_unbuilt_model_starts_from_the_eager_kernels(jit_compile):
    model = unbuilt_model(jit_compile, lambda index: 100 + index)
    fit_without_learning(model, jit_compile)
    for index, (row, projection) in enumerate(
        zip(model.rows, model.projections, strict=True)
    ):
        expected = row.fixed(seed=100 + index)((4, 4))
        np.testing.assert_allclose(
            to_numpy(projection.kernel), to_numpy(expected), rtol=1e-5, atol=1e-6
        )
    if model.attention:
        assert_semi_orthogonal(model.attention.query_dense.kernel, (0,), (1, 2))


@jit_on_and_off_but_on_torch
def test_fit_of_an_unbuilt_model_works_with_seed_generators(jit_compile):
    seeds = []

    def seed_for(index):
        seeds.append(keras.random.SeedGenerator(100 + index))
        return seeds[-1]

    model = unbuilt_model(jit_compile, seed_for)
    fit_without_learning(model, jit_compile)
    for weight in kernels_of(model):
        assert np.isfinite(to_numpy(weight)).all()
        assert to_numpy(weight).any()
    for seed in seeds:
        # A tracer that leaked into the generator would fail here.
        assert np.isfinite(to_numpy(keras.random.normal((4,), seed=seed))).all()


@pytest.mark.skipif(BACKEND != "jax", reason="these are functions of JAX")
@every_class
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_jax_compiles_and_evaluates_the_shape(row, dtype):
    import jax  # noqa: TID251

    initializer, shape = row.fixed(), row.short_shape
    compiled = jax.jit(initializer.__call__, static_argnames=["shape", "dtype"])
    kernel = compiled(shape=shape, dtype=dtype)
    np.testing.assert_allclose(
        to_numpy(kernel),
        to_numpy(initializer(shape, dtype=dtype)),
        rtol=1e-5 if dtype == "float32" else 1e-2,
        atol=1e-6,
    )
    abstract = jax.eval_shape(functools.partial(initializer, shape, dtype))
    assert (abstract.shape, abstract.dtype.name) == (shape, dtype)
