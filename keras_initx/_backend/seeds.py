"""What a seed is: an integer, or a `keras.random.SeedGenerator`, as in Keras."""

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
