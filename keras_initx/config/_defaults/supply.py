"""One initializer for many layers: an object, a seed and axes for each."""

import itertools
import weakref
from typing import Any

import keras

from keras_initx._backend.seeds import split
from keras_initx._kernel.with_axes import with_axes

_Initializer = keras.initializers.Initializer


class Supply:
    """Makes an initializer for each layer, no two with one integer seed.

    The first layer gets the seed of the initializer, the others get hashes of it. A
    `SeedGenerator` is shared: it moves on with each draw. Without a seed each draws one
    of its own, as Keras's initializers do.
    """

    def __init__(self, initializer: Any) -> None:
        self._initializer = initializer
        config, has_fixed_seed = _read(initializer)
        self._config = config
        self._has_fixed_seed = has_fixed_seed
        self._count = itertools.count(1)
        self._made: weakref.WeakSet = weakref.WeakSet()
        self._seeds: set[int] = set()
        self._copied: set[int] = set()

    def make(self, axes: dict[str, Any]) -> Any:
        """An initializer for one more layer.

        Args:
            axes: dict. Told to an initializer of ours that does not name them itself.
        """
        if self._config is None:
            return self._initializer
        config = dict(self._config)
        if "batch_axes" in config:
            told = {k: v for k, v in axes.items() if config.get(k, 0) in (None, 1)}
            config.update(told)
        if self._has_fixed_seed:
            config["seed"] = self._seed()
        return self._added(type(self._initializer).from_config(config))

    def own_seed(self, value: Any) -> Any:
        """The same for a copy of what it made, with a seed of its own.

        Keras copies the initializer of an attention layer for its query, key and value,
        and that of a recurrent layer for both directions. With an integer seed they
        would all be equal. The first copy keeps the seed.
        """
        if isinstance(value, dict):
            value = keras.initializers.get(value)
        if not self._is_copy(value):
            return value
        seed = value.seed
        if isinstance(seed, int) and seed not in self._copied:
            self._copied.add(seed)
            return self._added(value)
        return self._added(with_axes(value, seed=self._seed()))

    def _is_copy(self, value: Any) -> bool:
        if type(value) is not type(self._initializer) or value in self._made:
            return False
        seed = getattr(value, "seed", None)
        ours: Any = getattr(self._initializer, "seed", None)
        generator = keras.random.SeedGenerator
        if isinstance(seed, generator) and isinstance(ours, generator):
            return seed.get_config() == ours.get_config()
        return seed in self._seeds

    def _seed(self) -> Any:
        """The seed for one more draw."""
        seed, count = self._initializer.seed, next(self._count)
        if not isinstance(seed, int):
            return seed
        seed = seed if count == 1 else split(seed, count)[-1]
        self._seeds.add(seed)
        return seed

    def _added(self, initializer: Any) -> Any:
        self._made.add(initializer)
        return initializer


def _read(initializer: Any) -> tuple[dict[str, Any] | None, bool]:
    """The config from which an initializer can be made again, or None.

    Also whether what is made from it would draw the same numbers, by a seed of its own
    or of its base.
    """
    if type(initializer).get_config is _Initializer.get_config and vars(initializer):
        # It has arguments, and does not name them.
        return None, False
    try:
        config = dict(initializer.get_config())
        again = type(initializer).from_config(config)
    except Exception:
        return None, False
    seed = getattr(initializer, "seed", None)
    is_generator = isinstance(seed, keras.random.SeedGenerator)
    is_fixed = is_generator or (seed is not None and seed == again.seed)
    return config, "seed" in config and is_fixed
