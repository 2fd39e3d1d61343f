"""What the callbacks share: they look at the first batches, and can be copied."""

import copy
from collections.abc import Callable
from typing import Any

import keras

from keras_initx.callbacks._first_batches import FirstBatches


class Beginning(keras.callbacks.Callback):
    """A callback that looks at the first batches of a training.

    Its copies, by `copy` and by `pickle`, have seen no model yet: KerasTuner copies the
    callbacks for each trial, scikit-learn for each clone.
    """

    report: Any
    _is_waiting: bool
    _first_batches: FirstBatches | None

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(self._fresh())

    def _fresh(self) -> dict[str, Any]:
        """The attributes that a training changes, as they are before the first one."""
        return {
            "_model": None,
            "report": None,
            # Whether the first step has not begun yet.
            "_is_waiting": True,
            "_first_batches": None,
        }

    def _shared(self) -> list[Any]:
        """What a copy in the same program shares with the original."""
        return []

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), **self._fresh()}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        memo.update((id(shared), shared) for shared in self._shared())
        twin = memo[id(self)] = type(self).__new__(type(self))
        twin.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return twin

    def on_train_begin(self, logs: Any = None) -> None:
        self._withdraw()
        self._is_waiting = True

    def on_train_end(self, logs: Any = None) -> None:
        self._refuse()
        self._withdraw()

    def _show(self, count: int, look: Callable[[list[Any]], None]) -> None:
        """Shows the next batches to `look`, before the step that begins now."""
        self._is_waiting = False
        self._first_batches = FirstBatches(self.model, count, look)

    def _refuse(self) -> None:
        """Raises an error if a step was made and its batch was not shown."""
        first = self._first_batches
        if first is not None and not first.were_shown:
            self._withdraw()
            raise self._not_shown()

    def _not_shown(self) -> ValueError:
        raise NotImplementedError

    def _withdraw(self) -> None:
        """Leaves the train function of the model as it was."""
        if self._first_batches is not None:
            self._first_batches.withdraw()
            self._first_batches = None
