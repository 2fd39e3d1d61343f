"""One integer from whatever Keras takes as a seed."""

from typing import Any

import keras
import numpy as np

from keras_initx import _validate
from keras_initx._backend import next_state, on_host
from keras_initx._backend.seeds import folded


def one_seed(owner: str, seed: Any) -> int:
    """One integer, also from a generator, which moves on, or from Python's."""
    if isinstance(seed, keras.random.SeedGenerator):
        words = [int(word) for word in np.ravel(on_host(next_state(seed)))]
        return folded(words[0], str(words[1:]))
    if seed is None:
        # Keras's own way of taking one.
        return int(keras.initializers.RandomNormal().seed)
    return _validate.integer(owner, "seed", seed)
