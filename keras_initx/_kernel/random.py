"""Random numbers: the one place where the package draws any.

They are Keras's own, or NumPy's where `portable_seeds` holds. Numbers that are drawn
eagerly are a NumPy array. Those that are drawn while a program is traced, or in
`drawing_on_device`, are a tensor: see `arrays`.

For one seed all routes have the same numbers, up to rounding, on a host and on an
accelerator too. There is one exception: on PyTorch an accelerator has numbers of its
own, as it has for `keras.random`.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_initx._backend import drawing
from keras_initx._kernel.arrays import namespace
from keras_initx._kernel.contexts import Contexts
from keras_initx._kernel.portable import generator, is_portable_seeds_enabled

# Portable normal numbers are drawn in float64, this many at a time.
_CHUNK = 2**20

_on_device = Contexts("drawing_on_device")


@contextlib.contextmanager
def drawing_on_device() -> Iterator[None]:
    """A context in which numbers stay on the device where Keras draws them."""
    with _on_device.opened():
        yield


def _draw(distribution: str, shape: tuple[int, ...], seed: Any, **limits: Any) -> Any:
    """Keras's own numbers."""
    stays = bool(_on_device.values())
    return drawing.draw(distribution, shape, seed, stays=stays, **limits)


def normal(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent draws from N(0, 1)."""
    if not is_portable_seeds_enabled():
        return _draw("normal", shape, seed, dtype=dtype)
    philox = generator(seed)
    numbers = np.empty(math.prod(shape), dtype)
    for start in range(0, numbers.size, _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        chunk[:] = philox.standard_normal(chunk.size)
    return numbers.reshape(shape)


def truncated_normal(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent draws from N(0, 1) between -2 and 2."""
    if not is_portable_seeds_enabled():
        numbers = _draw("truncated_normal", shape, seed, dtype=dtype)
        # On PyTorch Keras leaves one in 200,000 outside: it draws four times at most.
        return namespace(numbers).clip(numbers, -2, 2)
    philox = generator(seed)
    numbers = philox.standard_normal(math.prod(shape))
    outside = np.flatnonzero(np.abs(numbers) > 2)
    while outside.size:
        numbers[outside] = philox.standard_normal(outside.size)
        outside = outside[np.abs(numbers[outside]) > 2]
    return numbers.astype(dtype).reshape(shape)


def uniform(shape: tuple[int, ...], seed: Any, dtype: Any = "float32") -> Any:
    """Independent draws from U[0, 1)."""
    if not is_portable_seeds_enabled():
        return _draw("uniform", shape, seed, dtype=dtype)
    return generator(seed).random(shape, dtype=dtype)


def integers(shape: tuple[int, ...], seed: Any) -> Any:
    """Independent draws, uniform on the integers from 0 to 2^31 - 2, of dtype int32."""
    limits = {"minval": 0, "maxval": 2**31 - 1}
    if not is_portable_seeds_enabled():
        return _draw("randint", shape, seed, dtype="int32", **limits)
    return generator(seed).integers(0, 2**31 - 1, shape, dtype="int32")
