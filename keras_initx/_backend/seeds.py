"""What a seed is: an integer, or a `keras.random.SeedGenerator`, as in Keras."""

import hashlib
import threading
from typing import Any

import keras
import numpy as np

# A `SeedGenerator` reads its state and then writes the next one. Without a lock, two
# threads could read the same state and draw the same numbers.
generator_lock = threading.Lock()


def split(seed: Any, count: int) -> list[Any]:
    """Seeds for `count` independent draws within one call of an initializer.

    An integer is hashed into integers of 31 bits, which TensorFlow does not fold. The
    sums seed + 1, seed + 2, ... would give the draws of other seeds: on PyTorch, Keras
    advances a generator in this way. A `SeedGenerator` moves on with each draw, so it
    serves all of them.
    """
    if isinstance(seed, keras.random.SeedGenerator):
        return [seed] * count
    hashed = np.random.SeedSequence(seed % 2**64).generate_state(count)
    return [int(word >> 1) for word in hashed]


def folded(seed: int, name: str) -> int:
    """The seed of what bears this name: a hash of both, of 31 bits.

    Other names, more of them or fewer, do not change it.
    """
    digest = hashlib.sha256(name.encode()).digest()
    words = [int(word) for word in np.frombuffer(digest[:16], "<u4")]
    hashed = np.random.SeedSequence([seed % 2**64, *words]).generate_state(1)
    return int(hashed[0] >> 1)
