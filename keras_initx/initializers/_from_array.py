"""An array as an initializer."""

import functools
import weakref
from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._registry import register
from keras_initx.initializers._base.array_text import (
    array_of,
    check_hash,
    description_of,
    from_text,
    hash_of,
    to_text,
)
from keras_initx.initializers._base.plain_initializer import PlainInitializer

# The arrays of initializers that are stored by their hash, as long as these exist.
_held: weakref.WeakValueDictionary[str, np.ndarray] = weakref.WeakValueDictionary()


@register("initializers")
class FromArray(PlainInitializer):
    """Fills a weight with the numbers of an array.

    Keras takes arrays as initializers too, but a model that has one cannot be loaded
    again, and attention layers cannot copy it. This class can be saved:

    - With `store="config"` the config has the numbers, as compressed text. A model that
      gets larger by about 5 bytes for each number of float32.
    - With `store="hash"` the config has their SHA-256 only. The array must then be
      given again before the model is loaded: make `FromArray(array, store="hash")`, and
      keep this object until the model is there. Weights that the file has are loaded
      after that as always.

    Examples:
    >>> import numpy as np
    >>> table = np.random.default_rng(0).normal(size=(50, 8))
    >>> layer = keras.layers.Embedding(
    ...     50, 8, embeddings_initializer=keras_initx.initializers.FromArray(table)
    ... )
    >>> _ = layer(np.zeros((1, 3)))
    >>> bool(np.allclose(layer.embeddings, table))
    True

    Args:
        array: array, tensor or nested list of numbers, or dict. A dict is what a config
            has in its place.
        store: str. What a config has of the array: `"config"` for its numbers, or
            `"hash"`. Defaults to `"config"`.

    Call arguments:
        shape: tuple of int. That of the array.
        dtype: str or None. A floating-point dtype, to which the numbers are cast.
            Defaults to `keras.config.floatx()`.

    Raises:
        ValueError: If `array` has other entries than real numbers, a dict cannot be
            read, or `store` is unknown. In the call, if the weight has another shape,
            or if only the hash of the array is known.

    Reference:
        `keras.initializers.Constant` took arrays in Keras 2,
        https://github.com/keras-team/keras/issues/18605.
    """

    def __init__(self, array: Any, store: str = "config") -> None:
        self.store = _validate.choice("FromArray", "store", store, ("config", "hash"))
        self._written = dict(array) if isinstance(array, dict) else {}
        self._array: np.ndarray | None
        if "sha256" in self._written:
            check_hash("FromArray", self._written)
            self._array = _held.get(self._written["sha256"])
        else:
            is_written = isinstance(array, dict)
            numbers = from_text("FromArray", array) if is_written else array
            self._array = array_of("FromArray", numbers)
        self._hold()

    def check(self, shape: tuple[int, ...]) -> None:
        expected = tuple(self._description["shape"])
        if shape != expected:
            raise _validate.error(
                "FromArray",
                f"a weight with the shape of its array, {expected}",
                f"shape={shape}",
                "Pass an array of the shape of the weight.",
            )
        if self._values() is None:
            raise _validate.error(
                "FromArray",
                "the array itself, of which only the hash was saved",
                f"sha256={self._description['sha256']!r}, shape={expected}",
                'Make `FromArray(array, store="hash")` of the same array before, and '
                "keep this object until the model is loaded.",
            )

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        # A copy: on PyTorch the weight stays in its memory.
        return np.array(self._values(), dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        self._hold()
        return {"array": dict(self._description), "store": self.store}

    def _values(self) -> np.ndarray | None:
        """The array, which may have been given since the initializer was made."""
        if self._array is None:
            self._array = _held.get(self._description["sha256"])
        return self._array

    def _hold(self) -> None:
        """Lets an initializer that knows the hash only find the array."""
        if self.store == "hash" and self._array is not None:
            _held.setdefault(self._description["sha256"], self._array)

    @functools.cached_property
    def _description(self) -> dict[str, Any]:
        """What a config has in the place of the array."""
        name, write = {"config": ("data", to_text), "hash": ("sha256", hash_of)}[
            self.store
        ]
        if self._array is None or name in self._written:
            return self._written
        return {**description_of(self._array), name: write(self._array)}
