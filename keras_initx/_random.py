"""Random numbers as Keras means them: the one place where the package draws any."""

from typing import Any

import keras
import numpy as np


def split(seed: Any, count: int) -> list[Any]:
    """Seeds for `count` independent draws within one call of an initializer.

    An integer is hashed into integers of 31 bits. Adding 1, 2, ... instead would meet
    the draws of neighbouring seeds: on PyTorch, Keras itself counts a generator on that
    way. A `SeedGenerator` moves on with each draw, so it serves all of them.
    """
    if isinstance(seed, keras.random.SeedGenerator):
        return [seed] * count
    hashed = np.random.SeedSequence(seed % 2**64).generate_state(count)
    return [int(word >> 1) for word in hashed]


def normal(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent draws from N(0, 1)."""
    return keras.random.normal(shape, dtype=dtype, seed=seed)


def uniform(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent draws from U[0, 1)."""
    return keras.random.uniform(shape, dtype=dtype, seed=seed)


def integers(shape: tuple[int, ...], seed: Any) -> Any:
    """Independent draws, uniform on the integers from 0 to 2^31 - 2, of dtype int32."""
    return keras.random.randint(shape, 0, 2**31 - 1, dtype="int32", seed=seed)
