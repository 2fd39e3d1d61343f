"""What every initializer promises, whatever its mathematics."""

import contextlib
import inspect
import itertools

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from catalogue import (
    BACKEND,
    CATALOGUE,
    EXAMPLES,
    Row,
    dtype_of,
    refuses,
    to_numpy,
)
from hypothesis import given, settings

import keras_initx

LOW_PRECISION = ("float16", "bfloat16")

ROWS = CATALOGUE + EXAMPLES


def each(rows):
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


every_class = each(ROWS)
every_random_class = each([row for row in ROWS if row.is_random])
every_class_with_axes = each([row for row in ROWS if row.has_axes])
every_shape = pytest.mark.parametrize(
    ("row", "shape"),
    [(row, shape) for row in ROWS for shape in row.shapes],
    ids=lambda value: value.name if isinstance(value, Row) else str(value),
)
every_argument = pytest.mark.parametrize(
    ("row", "arguments"),
    [(row, arguments) for row in ROWS for arguments in ({}, *row.arguments)],
    ids=lambda value: value.name if isinstance(value, Row) else "-".join(value) or "-",
)
every_refusal = pytest.mark.parametrize(
    ("row", "refusal"),
    [(row, refusal) for row in ROWS for refusal in row.all_refusals],
    ids=lambda value: value.name if isinstance(value, Row) else str(value.shape),
)


def float64_as_on_this_backend():
    """JAX has no float64 unless asked for at its start, and warns at each request."""
    if BACKEND == "jax":
        return pytest.warns(UserWarning, match="requested dtype float64")
    return contextlib.nullcontext()


def values(kernel):
    """The distinct sizes of the non-zero weights."""
    kernel = np.abs(to_numpy(kernel))
    return set(kernel[kernel > 0].tolist())


def public_initializers():
    return {
        member
        for _, member in inspect.getmembers(keras_initx.initializers, inspect.isclass)
        if issubclass(member, keras.initializers.Initializer)
    }


def test_each_public_initializer_has_one_row():
    rows = [row.cls for row in CATALOGUE]
    assert len(rows) == len(set(rows))
    assert set(rows) == public_initializers()


@every_class
@pytest.mark.same_on_each_backend
def test_the_row_names_each_argument_and_no_default(row):
    parameters = inspect.signature(row.cls).parameters
    named = {name for arguments in row.arguments for name in arguments}
    named |= set(row.required)
    assert named == set(parameters)
    for arguments in row.arguments:
        for name, value in arguments.items():
            assert value != parameters[name].default


@every_class
@pytest.mark.same_on_each_backend
def test_each_argument_has_a_default(row):
    for name, parameter in inspect.signature(row.cls).parameters.items():
        has_default = parameter.default is not inspect.Parameter.empty
        assert has_default != (name in row.required)


# Shapes


def assert_filled(kernel, shape, dtype="float32"):
    assert tuple(kernel.shape) == shape
    assert dtype_of(kernel) == dtype
    assert np.isfinite(to_numpy(kernel)).all()
    assert to_numpy(kernel).any()


@every_shape
def test_shape_is_the_one_asked_for(row, shape):
    assert_filled(row.make()(shape), shape)


@every_argument
def test_each_argument_is_accepted(row, arguments):
    assert_filled(row.make(**arguments)(row.long_shape), row.long_shape)


@every_class
def test_shape_may_be_a_list_or_hold_numpy_integers(row):
    initializer = row.fixed()
    expected = to_numpy(initializer(row.short_shape))
    for shape in (list(row.short_shape), np.array(row.short_shape)):
        np.testing.assert_array_equal(to_numpy(initializer(shape)), expected)


@pytest.mark.parametrize(
    ("row", "shape"),
    [(row, shape) for row in ROWS if not row.only_shapes for shape in row.shapes],
    ids=lambda value: value.name if isinstance(value, Row) else str(value),
)
def test_a_zero_size_gives_an_empty_tensor(row, shape):
    for axis in range(len(shape)):
        empty = (*shape[:axis], 0, *shape[axis + 1 :])
        kernel = row.make()(empty, dtype="float16")
        assert tuple(kernel.shape) == empty
        assert dtype_of(kernel) == "float16"


@every_class
@pytest.mark.parametrize("shape", [(None, 6), (-4, 6), (4.0, 6), 6, "46"])
@pytest.mark.same_on_each_backend
def test_a_shape_that_is_not_one_is_refused(row, shape):
    message = (
        f"`{row.name}` needs a shape of non-negative integers. Received: "
        f"shape={shape!r}. Build the layer on inputs whose channel axes are known."
    )
    with refuses(message):
        row.make()(shape)


@every_refusal
@pytest.mark.same_on_each_backend
def test_what_the_class_cannot_fill_is_refused(row, refusal):
    with refuses(refusal.message):
        row.make(**refusal.arguments)(refusal.shape)


# Axes


@every_class_with_axes
@pytest.mark.parametrize("name", ["input_axes", "output_axes", "batch_axes"])
@pytest.mark.parametrize("axes", [-2, "-2", [0.5], [True], [None]])
@pytest.mark.same_on_each_backend
def test_axes_that_are_not_a_list_of_integers_are_refused(row, name, axes):
    message = (
        f"`{row.name}` needs `{name}` to be a list of integers or None. Received: "
        f"{name}={axes!r}. Pass for example [-2]."
    )
    with refuses(message):
        row.make(**{name: axes})


@st.composite
def permutations_of_a_kernel(draw):
    """A kernel's shape, its roles, and an order of its axes.

    Two spatial axes stay in their order: a kernel's receptive field is read in the
    order of the axes. The few shapes keep the number of compilations low.
    """
    shape, roles = draw(
        st.sampled_from(
            [
                ((2, 3, 4, 6), {"input_axes": [2], "output_axes": [3]}),
                (
                    (2, 3, 2, 2, 3, 2),
                    {"batch_axes": [0], "input_axes": [2, 3], "output_axes": [4, 5]},
                ),
            ]
        )
    )
    spatial = sorted(set(range(len(shape))) - set(itertools.chain(*roles.values())))
    order = draw(st.permutations(range(len(shape))))
    in_order = iter(spatial)
    order = [next(in_order) if axis in spatial else axis for axis in order]
    count_from_the_end = draw(st.booleans())
    return shape, roles, order, count_from_the_end


@pytest.mark.parametrize(
    "row",
    [row for row in CATALOGUE if row.has_axes and row.follows_its_axes],
    ids=lambda row: row.name,
)
@given(
    kind=st.sampled_from(["make", "typical"]),
    kernel=permutations_of_a_kernel(),
    seed=st.sampled_from([0, 1, 2**32 - 1]),
)
def test_permuted_axes_give_the_transposed_kernel(row, kind, kernel, seed):
    initializer = getattr(row, kind)
    shape, roles, order, count_from_the_end = kernel
    back = len(shape) if count_from_the_end else 0
    moved = {
        name: [order.index(axis) - back for axis in axes]
        for name, axes in roles.items()
    }
    seeds = {"seed": seed} if row.is_random else {}
    expected = to_numpy(initializer(**seeds, **roles)(shape)).transpose(order)
    permuted = initializer(**seeds, **moved)(tuple(shape[axis] for axis in order))
    np.testing.assert_array_equal(to_numpy(permuted), expected)


@given(
    row=st.sampled_from([row for row in CATALOGUE if row.fills_any_kernel]),
    spatial=st.lists(st.integers(1, 3), max_size=3),
    channels=st.tuples(st.sampled_from([2, 4]), st.sampled_from([1, 2, 6])),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["float32", *LOW_PRECISION]),
)
@settings(max_examples=10)
def test_any_convolution_kernel_can_be_filled(row, spatial, channels, seed, dtype):
    shape = (*spatial, *channels)
    seeds = {"seed": seed} if row.is_random else {}
    kernel = row.make(**seeds)(shape, dtype=dtype)
    assert_filled(kernel, shape, dtype)


# Dtypes


@every_class
@pytest.mark.parametrize("dtype", ["float32", *LOW_PRECISION])
def test_dtype_is_the_one_asked_for(row, dtype):
    assert dtype_of(row.make()(row.short_shape, dtype=dtype)) == dtype


@every_class
def test_float64_is_what_keras_makes_of_it(row):
    with float64_as_on_this_backend():
        glorot = keras.initializers.GlorotUniform(seed=1)(
            row.short_shape, dtype="float64"
        )
    with float64_as_on_this_backend():
        kernel = row.fixed()(row.short_shape, dtype="float64")
    assert dtype_of(kernel) == dtype_of(glorot)
    if BACKEND != "jax" and row.is_random:
        kernel = to_numpy(kernel)
        assert not np.array_equal(kernel, kernel.astype("float32"))


@every_class
@pytest.mark.parametrize("floatx", ["float32", *LOW_PRECISION])
def test_no_dtype_means_floatx(row, floatx):
    before = keras.config.floatx()
    keras.config.set_floatx(floatx)
    try:
        kernel = row.make()(row.short_shape)
    finally:
        keras.config.set_floatx(before)
    assert dtype_of(kernel) == floatx


@every_class
@pytest.mark.parametrize("dtype", LOW_PRECISION)
def test_low_precision_is_the_float32_kernel_rounded(row, dtype):
    initializer = row.fixed()
    rounded = keras.ops.cast(initializer(row.short_shape, dtype="float32"), dtype)
    kernel = initializer(row.short_shape, dtype=dtype)
    np.testing.assert_array_equal(to_numpy(kernel), to_numpy(rounded))


@every_class
@pytest.mark.parametrize("dtype", ["int32", "int8", "uint8", "int64", "bool"])
@pytest.mark.same_on_each_backend
def test_a_dtype_without_fractions_is_refused(row, dtype):
    message = (
        f"`{row.name}` needs a floating-point dtype. Received: dtype={dtype!r}. Use "
        "'float32', 'float16', 'bfloat16' or 'float64'."
    )
    for shape in (row.short_shape, (0, *row.short_shape[1:])):
        with refuses(message):
            row.make()(shape, dtype=dtype)


# Seeds


def draws(row, initializer, count=2):
    return [to_numpy(initializer(row.short_shape)) for _ in range(count)]


@every_class
def test_without_a_seed_each_instance_draws_once(row):
    assert ("seed" in inspect.signature(row.cls).parameters) == row.is_random
    first, again = draws(row, row.make())
    np.testing.assert_array_equal(again, first)
    (of_another,) = draws(row, row.make(), count=1)
    assert np.array_equal(of_another, first) != row.is_random


@every_random_class
def test_an_integer_seed_gives_the_same_kernel_always(row):
    first, again = draws(row, row.typical(seed=7))
    (of_an_equal_one,) = draws(row, row.typical(seed=7), count=1)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(of_an_equal_one, first)


@every_random_class
def test_a_seed_generator_gives_a_new_kernel_at_each_call(row):
    first, second, third = draws(
        row, row.typical(seed=keras.random.SeedGenerator(7)), count=3
    )
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


@every_random_class
def test_equal_seed_generators_give_equal_sequences(row):
    one = draws(row, row.typical(seed=keras.random.SeedGenerator(7)))
    other = draws(row, row.typical(seed=keras.random.SeedGenerator(7)))
    np.testing.assert_array_equal(other, one)


@every_random_class
def test_a_seed_generator_moves_on_between_its_users(row):
    shared = keras.random.SeedGenerator(7)
    (first,) = draws(row, row.typical(seed=shared), count=1)
    (second,) = draws(row, row.typical(seed=shared), count=1)
    assert not np.array_equal(first, second)


@every_random_class
def test_set_random_seed_before_construction_reproduces(row):
    def kernel_after(seed):
        keras.utils.set_random_seed(seed)
        (kernel,) = draws(row, row.typical(), count=1)
        return kernel

    np.testing.assert_array_equal(kernel_after(1), kernel_after(1))
    assert not np.array_equal(kernel_after(1), kernel_after(2))


@every_random_class
@given(st.integers(0, 2**32 - 2))
def test_neighbouring_seeds_share_no_weight(row, seed):
    one, next_one = row.typical(seed=seed), row.typical(seed=seed + 1)
    assert not values(one(row.short_shape)) & values(next_one(row.short_shape))


@every_random_class
@pytest.mark.parametrize("kind", ["make", "typical"])
def test_each_draw_has_a_seed_of_its_own(row, kind, drawn_seeds):
    """Over neighbouring seeds too, and of 32 bits, which is all that JAX takes."""
    for seed in range(20):
        getattr(row, kind)(seed=seed)(row.short_shape)
    assert len(drawn_seeds) >= 20 or (row.draws_as_keras and kind == "make")
    assert len(drawn_seeds) == len(set(drawn_seeds))
    assert all(0 <= seed < 2**32 for seed in drawn_seeds)


@every_random_class
@pytest.mark.parametrize("seed", [1.5, "7", [1, 2], np.int64(7)], ids=repr)
def test_a_seed_that_keras_refuses_is_refused_in_its_words(row, seed):
    with pytest.raises(ValueError, match="seed") as of_keras:
        keras.initializers.GlorotUniform(seed=seed)
    with refuses(str(of_keras.value)):
        row.make(seed=seed)
