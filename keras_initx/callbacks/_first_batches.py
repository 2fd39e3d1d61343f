"""The first batches of a training, shown before it gets them."""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx._backend import before_training


def show_first_batches(
    model: keras.Model, count: int, look: Callable[[list[Any]], None]
) -> None:
    """Lets `look` see the next `count` batches of `fit`, before the next step.

    To be called in `on_train_batch_begin`. Training gets these batches afterwards.
    Where the data end, there are fewer. If several callbacks ask, they look one after
    the other: each sees the model as those before it have left it.

    Args:
        model: keras.Model. The model that `fit` trains.
        count: int. 1 on the PyTorch backend, whose trainer shows one batch at a time.
        look: function of a list of batches: each `x`, `(x, y)` or `(x, y,
            sample_weight)`, of the global batch where there are several devices.
    """
    training = model.history

    def look_once(batches: list[Any]) -> None:
        # It may be left over from a training that an error ended before its next step.
        if model.history is training:
            look(batches[:count])

    if not isinstance(model.train_function, Shown):
        model.train_function = Shown(model)
    model.train_function.looks.append((count, look_once))


class Shown:
    """A train function that shows the batches that come, at its next call."""

    def __init__(self, model: keras.Model) -> None:
        self.looks: list[tuple[int, Callable[[list[Any]], None]]] = []
        self._function = before_training(model, self.looks)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)
