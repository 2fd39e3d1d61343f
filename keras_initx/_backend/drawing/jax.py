"""JAX: draws in chunks, because a generator is compiled for each new shape."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_initx._backend.jax import next_state, on_host
from keras_initx._backend.memory import aligned

# The least size of a kernel that is drawn on an accelerator.
_LARGE = 2**24

# Random numbers are drawn this many at a time. To compile a generator for each shape
# would take longer than everything else.
_CHUNKS = (2**12, 2**14, 2**16, 2**18, 2**20)


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
    if isinstance(seed, keras.random.SeedGenerator):
        key = next_state(seed)
    else:
        key = np.array([seed % 2**32, 0], "uint32")
    size = math.prod(shape)
    chunk = max(chunk for chunk in _CHUNKS if chunk <= max(size, _CHUNKS[0]))
    count = -(-size // chunk)
    sample = functools.partial(
        _sample, key, distribution=distribution, size=chunk, **arguments
    )
    first = None if stays else on_host(sample(0))
    if not isinstance(first, np.ndarray):
        return _sample_at_once(
            key, distribution=distribution, shape=shape, chunk=chunk, **arguments
        )
    numbers = aligned((count, chunk), first.dtype)
    numbers[0] = first
    for index in range(1, count):
        numbers[index] = sample(index)
    return numbers.reshape(-1)[:size].reshape(shape)


@functools.partial(
    jax.jit,
    static_argnames=("distribution", "shape", "chunk", "minval", "maxval", "dtype"),
)
def _sample_at_once(
    key: Any, distribution: str, shape: tuple[int, ...], chunk: int, **arguments: Any
) -> Any:
    """All chunks in one program."""
    size = math.prod(shape)
    sample = functools.partial(
        _sample, key, distribution=distribution, size=chunk, **arguments
    )
    numbers = jax.lax.map(sample, jnp.arange(-(-size // chunk)))
    return numbers.reshape(-1)[:size].reshape(shape)


def draws_on_device(size: int) -> bool:
    """Whether a kernel of this size is faster drawn on Keras's default device.

    For a new shape the device compiles two programs, which takes some seconds. The host
    takes about one for 16 million entries.
    """
    device = jax.config.jax_default_device or jax.devices()[0]
    platform = device if isinstance(device, str) else device.platform
    return size >= _LARGE and platform != "cpu"


@functools.partial(
    jax.jit, static_argnames=("distribution", "size", "minval", "maxval", "dtype")
)
def _sample(
    key: Any, index: Any, distribution: str, size: int, **arguments: Any
) -> Any:
    """One chunk. The index is added to the key in bits that no counter reaches."""
    key = key + jnp.array([0, 2**20], "uint32") * jnp.uint32(index)
    if distribution == "truncated_normal":
        arguments = {"lower": -2.0, "upper": 2.0, **arguments}
    return getattr(jax.random, distribution)(key, shape=(size,), **arguments)
