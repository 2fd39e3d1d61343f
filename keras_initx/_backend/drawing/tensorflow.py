"""TensorFlow: draws in chunks, because a draw takes much memory."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_initx._backend.memory import aligned, writable
from keras_initx._backend.seeds import split
from keras_initx._backend.tensorflow import has_values, next_state, view

# A draw takes four times the memory of its result, so a large one is made in parts.
_CHUNK = 2**22

# The least size of a kernel that is drawn on an accelerator.
_LARGE = 2**18

# The number of this algorithm, and the key with which it scrambles a seed.
_PHILOX, _SCRAMBLE = 1, np.array([0x02461E293EC8F720], "uint64")

# Keras reduces a seed modulo this number, to 32 bits with a sign.
_SEEDS = 2**31 - 2


def draw(
    distribution: str,
    shape: tuple[int, ...],
    seed: Any,
    stays: bool = False,
    **arguments: Any,
) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name.

    Where there are values now they are a NumPy array, unless the result `stays` a
    tensor on the device.
    """
    size = math.prod(shape)
    starts = range(0, size, _CHUNK)
    seeds = split(seed, len(starts)) if len(starts) > 1 else [seed]
    chunks = (
        _sample(distribution, min(_CHUNK, size - start), seed, **arguments)
        for start, seed in zip(starts, seeds, strict=True)
    )
    first = next(chunks)
    if stays or not has_values(first):
        return ops.reshape(ops.concatenate([first, *chunks]), shape)
    first = _array_of(first)
    if len(starts) == 1:
        # Nobody else has the tensor, so its memory serves for what comes next.
        return writable(first).reshape(shape)
    numbers = aligned((size,), first.dtype)
    numbers[:_CHUNK] = first
    for start, chunk in zip(starts[1:], chunks, strict=True):
        numbers[start : start + _CHUNK] = _array_of(chunk)
    return numbers.reshape(shape)


def draws_on_device(size: int) -> bool:
    """Whether a kernel of this size is faster drawn on Keras's default device.

    A device takes some milliseconds to start a hundred operations. The host takes as
    long for some 100,000 entries.
    """
    is_large = size >= _LARGE and tf.executing_eagerly()
    return is_large and "CPU" not in tf.zeros(()).device


def _array_of(tensor: Any) -> np.ndarray:
    """A tensor that has values as an array to read; without a copy on the host."""
    seen = view(tensor)
    return seen if isinstance(seen, np.ndarray) else seen.numpy()


def _sample(distribution: str, size: int, seed: Any, **arguments: Any) -> Any:
    """The numbers that `keras.random` draws eagerly.

    Keras lets TensorFlow choose the algorithm. Then one seed gives other numbers in a
    program that is compiled by XLA.
    """
    if isinstance(seed, keras.random.SeedGenerator):
        state = next_state(seed)
    else:
        state = np.array([seed % _SEEDS, 0], "int64")
    if tf.executing_eagerly():
        return _sample_eagerly(distribution, size, state, **arguments)
    sample = {
        "normal": tf.random.stateless_normal,
        "truncated_normal": tf.random.stateless_truncated_normal,
    }.get(distribution, tf.random.stateless_uniform)
    seed = tf.cast(tf.math.floormod(state, _SEEDS), "int32")
    return sample((size,), seed, alg="philox", **arguments)


def _sample_eagerly(
    distribution: str, size: int, state: Any, dtype: str, **limits: Any
) -> Any:
    """The same numbers from two operations.

    `tf.random` takes twenty operations to scramble the seed, and two passes over the
    numbers for a mean of 0 and a deviation of 1.
    """
    draw = {
        "normal": tf.raw_ops.StatelessRandomNormalV2,
        "truncated_normal": tf.raw_ops.StatelessTruncatedNormalV2,
        "uniform": tf.raw_ops.StatelessRandomUniformV2,
        "randint": tf.raw_ops.StatelessRandomUniformIntV2,
    }[distribution]
    counter = (np.asarray(state).astype("int64") % _SEEDS).astype("uint64")
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=(4,), key=_SCRAMBLE, counter=counter, dtype="uint32", alg=_PHILOX
    )
    key, counter = words.numpy().view("uint64").reshape(2, 1)
    counter = np.concatenate([np.zeros_like(counter), counter])
    if distribution == "randint":
        limits = {name: np.array(value, dtype) for name, value in limits.items()}
    else:
        limits = {"dtype": dtype}
    return draw(shape=(size,), key=key, counter=counter, alg=_PHILOX, **limits)
