"""How a `keras.random.SeedGenerator` is copied and pickled.

A generator holds the module of its backend, which neither `copy.deepcopy` nor `pickle`
can take. Python's `copyreg` is told here what to do instead. It then works wherever a
generator is part of an object: in our initializers and callbacks, and in the
initializers of Keras that they hold.

A copy has the state that the original has now: both draw the same numbers next, and
neither moves the other on. Two objects that share one generator and are copied together
share one copy of it.
"""

import copyreg
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._keras import set_initial_seed


def _reduce(generator: keras.random.SeedGenerator) -> tuple[Any, ...]:
    """What `copyreg` asks for: a function, and its arguments."""
    state = [int(word) for word in ops.convert_to_numpy(generator.state)]
    return _restore, (generator.get_config(), state)


def _restore(config: dict[str, Any], state: list[int]) -> keras.random.SeedGenerator:
    """A generator with this config and this state."""
    # With the seed None, the constructor would move Python's own generator on.
    generator = keras.random.SeedGenerator(**{**config, "seed": 0})
    dtype = keras.backend.standardize_dtype(generator.state.dtype)
    # The backends have other integers: the same bits serve on each.
    words = np.array([word % 2**64 for word in state], "uint64").astype(dtype)
    generator.state.assign(words)
    return set_initial_seed(generator, config["seed"])


copyreg.pickle(keras.random.SeedGenerator, _reduce)
