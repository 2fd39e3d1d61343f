"""TensorFlow: memory is what has to be watched."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_initx._seeds import split

# A draw takes four times the memory of its result: a large one is made in parts.
_CHUNK = 2**22
# TensorFlow takes over an array that begins at a multiple of so many bytes.
_ALIGNMENT = 64


def on_host(tensor: Any) -> Any:
    """The tensor as a NumPy array, if it has values now."""
    has_values = tf.executing_eagerly() and hasattr(tensor, "numpy")
    return tensor.numpy() if has_values else tensor


def next_state(generator: keras.random.SeedGenerator) -> Any:
    """The state of the generator, which moves on."""
    return generator.next()


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor; nobody may change it any more."""
    if not array.flags.c_contiguous or array.ctypes.data % _ALIGNMENT:
        aligned = _empty(array.size, array.dtype).reshape(array.shape)
        aligned[...] = array
        array = aligned
    # `convert_to_tensor` would copy it twice.
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def draw(distribution: str, shape: tuple[int, ...], seed: Any, **arguments: Any) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name."""
    sample, size = getattr(keras.random, distribution), math.prod(shape)
    starts = range(0, size, _CHUNK)
    seeds = split(seed, len(starts)) if len(starts) > 1 else [seed]
    chunks = (
        on_host(sample((min(_CHUNK, size - start),), seed=seed, **arguments))
        for start, seed in zip(starts, seeds, strict=True)
    )
    first = next(chunks)
    if not isinstance(first, np.ndarray):
        return ops.reshape(ops.concatenate([first, *chunks]), shape)
    numbers = _empty(size, first.dtype)
    numbers[:_CHUNK] = first
    for start, chunk in zip(starts[1:], chunks, strict=True):
        numbers[start : start + _CHUNK] = chunk
    return numbers.reshape(shape)


def _empty(size: int, dtype: np.dtype) -> np.ndarray:
    """An array that begins at a multiple of the alignment."""
    memory = np.empty(size * dtype.itemsize + _ALIGNMENT, "uint8")
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size * dtype.itemsize].view(dtype)
