"""The first batches of a training, shown before training gets them."""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx._backend.training import before_training


class FirstBatches:
    """Shows the next batches of a training to a function, before the next step.

    Training gets these batches afterwards. Where the data end, there are fewer. If
    several callbacks ask, they look one after the other: each sees the model as those
    before it have left it.

    Args:
        model: keras.Model. The model that is trained, by `fit` or `train_on_batch`.
        count: int. 1 on the PyTorch backend, whose trainer shows one batch at a time.
        look: function of a list of batches: each `x`, `(x, y)` or `(x, y,
            sample_weight)`, of the global batch where there are several devices.

    Attributes:
        were_shown: bool. Whether the next step has begun.
    """

    def __init__(
        self, model: keras.Model, count: int, look: Callable[[list[Any]], None]
    ) -> None:
        self.were_shown = False
        self._count, self._look = count, look
        self._training = _training_of(model)
        if not isinstance(model.train_function, Shown):
            model.train_function = Shown(model)
        self._shown = model.train_function
        self._shown.looks.append((count, self._look_once))
        self._model = model

    def _look_once(self, batches: list[Any]) -> None:
        self.were_shown = True
        # It may be left over from a training that an error ended before its next step.
        if batches and _training_of(self._model) is self._training:
            self._look(batches[: self._count])

    def withdraw(self) -> None:
        """Gives the model its own train function back, if the next step has not."""
        self._shown.looks[:] = [
            look for look in self._shown.looks if look[1] != self._look_once
        ]
        if self._model.train_function is self._shown and not self._shown.looks:
            self._model.train_function = self._shown.train_function


class Shown:
    """A train function that shows the batches that come, at its next call."""

    def __init__(self, model: keras.Model) -> None:
        self.looks: list[tuple[int, Callable[[list[Any]], None]]] = []
        self.train_function = model.train_function
        self._model = model
        self._function: Any = None

    def __call__(self, *args: Any) -> Any:
        if self._function is None:
            self._begin()
        return self._function(*args)

    def _begin(self) -> None:
        """Takes the place of the train function, which may not exist before."""
        model = self._model
        model.train_function = self.train_function
        model.make_train_function()
        self.train_function = model.train_function
        self._function = before_training(model, self.looks)
        model.train_function = self


def _training_of(model: keras.Model) -> Any:
    """What is another object in each `fit`."""
    return getattr(model, "history", None)
