"""LSUV on the first batch of `fit`."""

import weakref
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._backend import before_training
from keras_initx.schemes import lsuv
from keras_initx.schemes._batches import join


class LSUV(keras.callbacks.Callback):
    """TODO."""

    def __init__(
        self,
        data: Any = None,
        *,
        target_std: float = 1.0,
        initializer: Any = "haar_orthogonal",
        tolerance: float = 0.01,
        per_channel: bool = False,
        center: bool = False,
        layers: Any = None,
        batches: int = 1,
        strict: bool = False,
        verbose: Any = "auto",
    ) -> None:
        super().__init__()
        self.report: Any = None
        self._data = data
        self._batches = _validate.positive_integer("LSUV", "batches", batches)
        self._verbose = verbose
        self._options = {
            "target_std": _validate.positive("LSUV", "target_std", target_std),
            "initializer": initializer,
            "tolerance": _validate.positive("LSUV", "tolerance", tolerance),
            "per_channel": per_channel,
            "center": center,
            "layers": layers,
            "strict": strict,
            "verbose": verbose,
        }
        self._is_waiting = False
        # The model that this object has initialized.
        self._done: Any = lambda: None

    def on_train_begin(self, logs: Any = None) -> None:
        self._is_waiting = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # By now other callbacks have restored what they restore.
        if self._is_waiting and (reason := self._why_not(epoch)):
            self._is_waiting = False
            if self._verbose:
                print(f"LSUV does nothing: {reason}.")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._is_waiting:
            self._is_waiting = False
            if self._data is None:
                function = before_training(self.model, self._batches, self._use)
                self.model.train_function = function
            else:
                self._initialize(self._data, self._batches)

    def _why_not(self, epoch: int) -> str:
        """Why this training does not start from initial weights; empty if it does."""
        if self._done() is self.model:
            return "it has initialized this model before"
        iterations = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
        if epoch > 0 or iterations > 0:
            return f"training is resumed, at epoch {epoch + 1} after {iterations} steps"
        return ""

    def _use(self, batches: list[Any]) -> None:
        """Initializes by the first batches of the training."""
        inputs = [keras.utils.unpack_x_y_sample_weight(batch)[0] for batch in batches]
        self._initialize(join("LSUV", inputs), 1)

    def _initialize(self, data: Any, batches: int) -> None:
        self.report = lsuv(self.model, data, batches=batches, **self._options)
        self._done = weakref.ref(self.model)
