"""New kernels for the layers of a model, each by its own axes."""

from typing import Any

import keras

from keras_initx._backend import stored
from keras_initx._backend.seeds import split


class Redraw:
    """Redraw kernels with one initializer, never twice from the same seed.

    An integer seed is hashed into one for each kernel.
    """

    def __init__(self, initializer: Any) -> None:
        self._initializer = keras.initializers.get(initializer)
        self._count = 0

    def __call__(self, variable: keras.Variable, axes: dict[str, Any]) -> Any:
        """A new value for the variable, whose axes mean this."""
        self._count += 1
        dtype = keras.backend.standardize_dtype(stored(variable).dtype)
        return self._for(axes)(tuple(variable.shape), dtype=dtype)

    def _for(self, axes: dict[str, Any]) -> Any:
        initializer = self._initializer
        if not isinstance(initializer, keras.initializers.Initializer):
            return initializer
        config = dict(initializer.get_config())
        for name, value in axes.items():
            # What the user said about the axes stays.
            if name in config and config[name] in (None, 1):
                config[name] = value
        if isinstance(config.get("seed"), int):
            config["seed"] = split(config["seed"], self._count)[-1]
        elif isinstance(seed := getattr(initializer, "seed", None), _GENERATOR):
            config["seed"] = seed
        return type(initializer).from_config(config)


_GENERATOR = keras.random.SeedGenerator
