"""The first batches of a training, shown before it gets them."""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx._backend import before_training


def show_first_batches(
    model: keras.Model, count: int, look: Callable[[list[Any]], None]
) -> None:
    """Lets `look` see the next `count` batches of `fit` before the next step.

    To be called in `on_train_batch_begin`. Training gets these batches afterwards, and
    has them already where there are fewer. Several callbacks see the same batches, in
    the order in which they asked, and what the others before them did to the model.
    """
    training = model.history

    def look_once(batches: list[Any]) -> None:
        # It may be left over from a training that an error ended before its next step.
        if model.history is training:
            look(batches[:count])

    if not isinstance(model.train_function, _Shown):
        model.train_function = _Shown(model)
    model.train_function.looks.append((count, look_once))


class _Shown:
    """A train function that shows its batches, at its first call."""

    def __init__(self, model: keras.Model) -> None:
        self.looks: list[tuple[int, Callable[[list[Any]], None]]] = []
        self._function = before_training(model, self.looks)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)
