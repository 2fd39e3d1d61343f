"""Portable seeds: one integer seed, one kernel, on each backend, eager or traced."""

import json
import threading

import keras
import numpy as np
import pytest
from catalogue import (
    BACKEND,
    CATALOGUE,
    framework,
    refuses,
    run_python,
    to_numpy,
    traced,
)
from checksums import checksums

import keras_initx
from keras_initx import config
from keras_initx._kernel import random

every_class = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)

# Run by each backend that is installed here.
SCRIPT = """
import json, sys
from catalogue import CATALOGUE
from checksums import checksums
print(json.dumps([checksums(CATALOGUE, dtype) for dtype in sys.argv[1:]]))
"""


def draws_by_definition(seed, size):
    bits = np.random.Philox(np.random.SeedSequence(seed))
    return np.random.Generator(bits).standard_normal(size)


@pytest.fixture
def portable():
    with keras_initx.portable_seeds():
        yield


def test_numbers_are_those_of_philox(portable):
    numbers = random.normal((3, 5), "float32", 11)
    np.testing.assert_array_equal(
        numbers, draws_by_definition(11, (3, 5)).astype("float32")
    )
    long = random.normal((2**20 + 7,), "float32", 11)
    np.testing.assert_array_equal(
        long, draws_by_definition(11, 2**20 + 7).astype("float32")
    )
    double = random.normal((3, 5), "float64", 11)
    np.testing.assert_array_equal(double, draws_by_definition(11, (3, 5)))


@pytest.mark.several_frameworks
@pytest.mark.parametrize(
    "backend", [name for name in ("jax", "tensorflow", "torch") if name != BACKEND]
)
def test_kernels_are_the_same_on_each_backend(backend, monkeypatch):
    """One environment of tox has all three; the numbers themselves are held above."""
    framework(backend)
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    # This process was started without.
    dtypes = ["float32"] if BACKEND == "jax" else ["float32", "float64"]
    ran = run_python(SCRIPT, *dtypes, backend=backend)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    for dtype, theirs, atol in zip(dtypes, found, [1e-5, 1e-12], strict=False):
        ours = checksums(CATALOGUE, dtype)
        assert theirs.keys() == ours.keys()
        for name, numbers in ours.items():
            np.testing.assert_allclose(theirs[name], numbers, atol=atol, err_msg=name)


def test_a_kernel_by_definition(portable):
    """What the three backends agree on does not change from release to release."""
    gaussian = draws_by_definition(7, (3, 3)).astype("float32").astype("float64")
    q = np.eye(3)
    signs = np.ones(3)
    for j in (2, 1, 0):
        v = np.where(np.arange(3) < j, 0, gaussian[:, j])
        signs[j] = np.sign(v[j])
        v[j] += signs[j] * np.linalg.norm(v)
        q -= 2 * np.outer(v, v @ q) / (v @ v)
    kernel = keras_initx.HaarOrthogonal(seed=7)((3, 3))
    np.testing.assert_allclose(to_numpy(kernel), q * -signs, atol=1e-6)


@every_class
def test_a_traced_kernel_is_the_eager_one(row, portable):
    initializer, shape = row.fixed(seed=5), row.short_shape
    np.testing.assert_allclose(
        to_numpy(traced(lambda: initializer(shape))),
        to_numpy(initializer(shape)),
        atol=1e-6,
    )


@every_class
def test_seeds_keep_their_meaning(row, portable):
    one, other, shape = row.fixed(seed=5), row.fixed(seed=6), row.short_shape
    kernel = to_numpy(one(shape))
    np.testing.assert_array_equal(kernel, to_numpy(one(shape)))
    assert np.array_equal(kernel, to_numpy(other(shape))) != row.is_random


def test_a_generator_moves_on_and_starts_again(portable):
    def two():
        initializer = keras_initx.HaarOrthogonal(seed=keras.random.SeedGenerator(5))
        return [to_numpy(initializer((4, 4))) for _ in range(2)]

    first, second = two()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal([first, second], two())


@pytest.mark.parametrize("seed", [5 + 2**31, 5 + 2**40, -5])
def test_all_64_bits_of_a_seed_count(seed, portable):
    numbers = random.normal((50,), "float64", seed)
    np.testing.assert_array_equal(numbers, draws_by_definition(seed % 2**64, 50))
    assert not np.any(numbers == draws_by_definition(5, 50))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the state is known elsewhere")
def test_a_generator_whose_state_is_not_known_is_refused(portable):
    import tensorflow as tf  # noqa: TID251

    seed = keras.random.SeedGenerator(5)
    initializer = keras_initx.RandomWalk(seed=seed)
    message = (
        "`portable_seeds` needs a seed whose value is known. Received: a "
        "`SeedGenerator` while a program is being traced. Pass an integer seed to the "
        "initializer, or build the model before it is compiled."
    )
    with refuses(message):
        tf.function(lambda: initializer((4, 4)), autograph=False)()


def test_a_model_without_seeds_is_the_same_after_set_random_seed(portable):
    def weights():
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((5, 5, 3)),
                keras.layers.Conv2D(4, 3, kernel_initializer="orthogonal_delta"),
                keras.layers.Conv2D(4, 3, kernel_initializer="convolution_orthogonal"),
            ]
        )
        return [to_numpy(weight) for weight in model.weights]

    for one, other in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# The switches


def is_portable(initializer=None):
    initializer = keras_initx.RandomWalk("linear", gain=1.0, seed=11)
    kernel = to_numpy(initializer((4, 4))) * 2
    expected = draws_by_definition(11, (4, 4))
    assert np.allclose(kernel, expected, atol=1e-5) == (
        config.is_portable_seeds_enabled()
    )
    return config.is_portable_seeds_enabled()


def test_the_default_is_keras():
    assert not is_portable()


def test_the_context_ends_with_its_block_and_with_an_error():
    with keras_initx.portable_seeds():
        assert is_portable()
        with keras_initx.portable_seeds():
            assert is_portable()
        assert is_portable()
    assert not is_portable()
    with pytest.raises(KeyError), keras_initx.portable_seeds():
        raise KeyError
    assert not is_portable()


def test_the_switch_holds_for_all_threads_and_the_context_for_one():
    def in_another_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(is_portable()))
        thread.start()
        thread.join()
        return found[0]

    with keras_initx.portable_seeds():
        assert not in_another_thread()
    config.enable_portable_seeds()
    try:
        assert is_portable()
        assert in_another_thread()
        with keras_initx.portable_seeds():
            pass
        assert is_portable()
    finally:
        config.disable_portable_seeds()
    assert not is_portable()
    assert not in_another_thread()


def opened():
    with keras_initx.portable_seeds():
        yield


def test_a_generator_that_stopped_in_its_block_leaves_it_open():
    """As it must be: a `contextlib.contextmanager` is such a generator."""
    generator = opened()
    assert not is_portable()
    next(generator)
    assert is_portable()
    generator.close()
    assert not is_portable()


def test_blocks_may_end_in_any_order():
    generator = opened()
    next(generator)
    with keras_initx.portable_seeds():
        generator.close()
        assert is_portable()
    assert not is_portable()


def test_another_thread_may_end_a_block():
    generator = opened()
    next(generator)
    thread = threading.Thread(target=generator.close)
    thread.start()
    thread.join()
    assert not is_portable()
