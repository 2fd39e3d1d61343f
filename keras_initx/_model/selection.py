"""Which layers a scheme may change."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_initx import _validate


class Selection:
    """Selects layers by name, path, class or predicate, or as objects; None means all.

    A name, a class or a layer selects the layers within it too: the sublayers of an
    attention layer, the layers of a block.
    """

    def __init__(
        self, owner: str, layers: Any, what: str = "layers that have a kernel and run"
    ) -> None:
        self._owner = owner
        self._what = what
        is_one = (
            isinstance(layers, str)
            or callable(layers)
            or not isinstance(layers, Iterable)
        )
        self._wanted: list[Any] = [layers] if is_one else list(layers)
        self._unmatched = [wanted for wanted in self._wanted if wanted is not None]
        if not self._wanted:
            raise self._error(layers)
        for wanted in self._wanted:
            is_class = isinstance(wanted, type)
            if is_class and not issubclass(wanted, keras.layers.Layer):
                raise self._error(wanted)
            if not (wanted is None or isinstance(wanted, str) or callable(wanted)):
                raise self._error(wanted)

    def __call__(self, layer: keras.layers.Layer, parents: tuple[Any, ...]) -> bool:
        """Whether this layer is selected; its parents stand outermost first."""
        matches = [w for w in self._wanted if _matches(w, layer, parents)]
        matched = {id(wanted) for wanted in matches}
        self._unmatched = [w for w in self._unmatched if id(w) not in matched]
        return bool(matches)

    def check(self, paths: list[str]) -> None:
        """Raises a `ValueError` if a part of `layers` selects no layer."""
        if self._unmatched:
            wanted = self._unmatched[0]
            raise _validate.error(
                self._owner,
                f"`layers` to select {self._what}",
                f"layers={wanted!r}, which selects none",
                f"The model has: {', '.join(paths) or 'none'}.",
            )

    def _error(self, wanted: Any) -> ValueError:
        return _validate.error(
            self._owner,
            "`layers` to be names, layers, layer classes, a predicate, or None",
            f"layers={wanted!r}",
            'Pass for example ["dense_1"], keras.layers.Conv2D, or a function of a '
            "layer. None selects all.",
        )


def _matches(wanted: Any, layer: keras.layers.Layer, parents: tuple[Any, ...]) -> bool:
    if wanted is None:
        return True
    # The outermost parent is the model itself.
    within = (*parents[1:], layer)
    if isinstance(wanted, str):
        return any(wanted in (each.name, each.path) for each in within)
    if isinstance(wanted, type):
        return any(isinstance(each, wanted) for each in within)
    if isinstance(wanted, keras.layers.Layer):
        return any(each is wanted for each in within)
    return bool(wanted(layer))
