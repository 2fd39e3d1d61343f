"""Random numbers: the laws that each backend's own draws have, in parts too."""

import threading
import time

import keras
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import BACKEND, refuses, to_numpy, traced
from keras import ops

import keras_initx
from keras_initx._backend.seeds import split
from keras_initx._kernel import random

# Below, at and above the sizes at which a backend draws in parts.
SIZES = (1, 4095, 4097, 2**14, 2**18, 2**20 + 5, 2**23 + 3)
PARTS = (2**12, 2**14, 2**16, 2**18, 2**20, 2**22)


@pytest.mark.parametrize("size", SIZES)
def test_no_part_is_a_copy_of_another(size):
    numbers = random.normal((size,), "float32", 1)
    assert numbers.shape == (size,)
    for part in PARTS:
        if 2 * part <= size:
            assert np.mean(numbers[:part] == numbers[part : 2 * part]) < 0.01
            limits.assert_distribution(numbers[part:][:2000], scipy.stats.norm.cdf)


@pytest.mark.parametrize("source", ["keras", "portable"])
def test_numbers_have_their_laws(source, monkeypatch):
    if source == "portable":
        monkeypatch.setattr("keras_initx._kernel.portable._everywhere", True)
    limits.assert_distribution(
        random.normal((20_000,), "float32", 1), scipy.stats.norm.cdf
    )
    limits.assert_distribution(random.uniform((20_000,), 2), scipy.stats.uniform.cdf)
    limits.assert_distribution(
        random.truncated_normal((20_000,), "float32", 1),
        scipy.stats.truncnorm(-2, 2).cdf,
    )
    integers = random.integers((20_000,), 3)
    assert integers.dtype == "int32"
    assert 0 <= integers.min() <= integers.max() <= 2**31 - 2
    limits.assert_distribution(integers / 2**31, scipy.stats.uniform.cdf)


@pytest.mark.parametrize("size", SIZES[1:])
def test_traced_numbers_are_the_eager_ones(size):
    def draw():
        return ops.convert_to_tensor(random.normal((size,), "float32", 3))

    np.testing.assert_allclose(to_numpy(traced(draw)), to_numpy(draw()), atol=1e-6)


# Seeds


@pytest.mark.skipif(BACKEND == "jax", reason="on JAX large draws are made in parts")
@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, 2**31 + 5, 2**32 + 7])
@pytest.mark.parametrize("name", ["normal", "truncated_normal", "uniform"])
def test_the_numbers_are_those_of_keras(name, seed):
    numbers = getattr(random, name)((64, 65), dtype="float32", seed=seed)
    expected = to_numpy(getattr(keras.random, name)((64, 65), seed=seed))
    # On PyTorch Keras leaves one truncated number in 200,000 outside.
    limit = 2 if name == "truncated_normal" else np.inf
    np.testing.assert_array_equal(numbers, expected.clip(-limit, limit))


def test_the_states_of_a_generator_share_no_part():
    generator = keras.random.SeedGenerator(1)
    draws = [random.normal((3 * 2**12,), "float32", generator) for _ in range(4)]
    parts = np.reshape(draws, (-1, 2**12))
    for index, part in enumerate(parts[1:], 1):
        assert np.mean(parts[:index] == part) < 0.01


def test_seeds_above_31_bits_have_numbers_of_their_own():
    draws = [random.uniform((50,), seed) for seed in (5, 5 + 2**31)]
    assert np.mean(draws[0] == draws[1]) < 0.1


def test_sub_seeds_have_31_bits():
    """TensorFlow folds larger ones, so that two of them could give one draw."""
    seeds = split(5, 1000)
    assert len(set(seeds)) == 1000
    assert 2**30 < max(seeds) < 2**31
    limits.assert_distribution(np.divide(seeds, 2**31), scipy.stats.uniform.cdf)


class SlowGenerator(keras.random.SeedGenerator):
    """Reads its state, and writes the next one some time later."""

    def next(self, ordered=True):
        state = ops.convert_to_numpy(self.state.value)
        time.sleep(0.002)
        self.state.assign(state + np.array([0, 1], state.dtype))
        return ops.convert_to_tensor(state)


@pytest.mark.parametrize("is_portable", [False, True])
def test_threads_that_share_a_generator_draw_different_kernels(
    is_portable, monkeypatch
):
    monkeypatch.setattr("keras_initx._kernel.portable._everywhere", is_portable)
    initializer = keras_initx.HaarOrthogonal(seed=SlowGenerator(5))
    kernels = []
    threads = [
        threading.Thread(target=lambda: kernels.append(to_numpy(initializer((3, 3)))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(np.unique(np.reshape(kernels, (8, -1)), axis=0)) == 8


# TensorFlow's programs


def three_draws():
    return [
        ops.convert_to_tensor(numbers)
        for numbers in (
            random.normal((50,), "float32", 7),
            random.uniform((50,), 2**31 + 7),
            random.integers((50,), -7),
        )
    ]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="XLA is an option there only")
def test_numbers_compiled_by_xla_are_the_eager_ones():
    import tensorflow as tf  # noqa: TID251

    compiled = tf.function(three_draws, autograph=False, jit_compile=True)()
    for numbers, expected in zip(compiled, three_draws(), strict=True):
        np.testing.assert_allclose(to_numpy(numbers), to_numpy(expected), rtol=1e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow 1 had these graphs")
@pytest.mark.parametrize("is_portable", [False, True])
@pytest.mark.parametrize("name", ["HaarOrthogonal", "Sparse", "ConvolutionOrthogonal"])
def test_a_graph_for_a_session_has_the_eager_kernel(name, is_portable, monkeypatch):
    import tensorflow as tf  # noqa: TID251

    monkeypatch.setattr("keras_initx._kernel.portable._everywhere", is_portable)
    initializer = getattr(keras_initx, name)(seed=5)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        kernel = session.run(initializer((3, 6, 4)))
    np.testing.assert_allclose(kernel, to_numpy(initializer((3, 6, 4))), atol=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow 1 had these graphs")
@pytest.mark.parametrize("is_portable", [False, True])
def test_a_graph_for_a_session_takes_no_generator(is_portable, monkeypatch):
    import tensorflow as tf  # noqa: TID251

    monkeypatch.setattr("keras_initx._kernel.portable._everywhere", is_portable)
    initializer = keras_initx.HaarOrthogonal(seed=keras.random.SeedGenerator(5))
    message = (
        "`keras_initx` needs an integer seed within `tf.Graph().as_default()`. "
        "Received: a `SeedGenerator`, whose state is not a part of that graph. Pass an "
        "integer seed to the initializer, or draw the kernel eagerly or within "
        "`tf.function`."
    )
    with tf.Graph().as_default(), refuses(message):
        initializer((4, 4))
