"""A seed for each variable, hashed from the seed of the call and a path."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._backend.seeds import folded


class VariableSeeds:
    """Seeds that differ between variables, and do not shift when one is added.

    Args:
        seed: int, `keras.random.SeedGenerator` or None. None is another seed in each
            call.
    """

    def __init__(self, owner: str, seed: Any) -> None:
        if seed is not None and not isinstance(seed, keras.random.SeedGenerator):
            seed = _validate.integer(owner, "seed", seed)
        self._seed = keras.random.SeedGenerator() if seed is None else seed

    def __call__(self, path: str) -> Any:
        """The seed of the variable with this path."""
        if isinstance(self._seed, keras.random.SeedGenerator):
            return self._seed
        return folded(self._seed, path)
