"""The signal in each layer, in the logs of every epoch."""

import collections
import math
from collections.abc import Iterable
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.batches import kept, one_batch
from keras_initx._registry import public
from keras_initx.callbacks._first_batches import show_first_batches
from keras_initx.diagnostics import signal_report

# The attributes of a row that need no gradient.
_QUANTITIES = ("pre_activation_std", "std", "dead", "saturated", "cosine")


@public("callbacks")
class SignalMonitor(keras.callbacks.Callback):
    """Writes what the signal does in each layer into the logs of every epoch.

    The part of `keras_initx.diagnostics.signal_report` that needs no gradient, on one
    batch that stays the same. After each epoch the logs have, for each layer with a
    kernel:

        signal/<path of the layer>/pre_activation_std
        signal/<path of the layer>/std
        signal/<path of the layer>/dead
        signal/<path of the layer>/saturated  (where the activation is bounded)
        signal/<path of the layer>/cosine

    NaN stands for what is not known. The history has them, and so have the callbacks
    that stand behind this one in the list: `CSVLogger`, `TensorBoard`, `EarlyStopping`.
    The whole report of the last look is the attribute `report`.

    It looks before the first step, too, and each look takes one to two forward passes.
    Training itself is not disturbed: not a weight, a seed, a moving average or a batch
    is another one.

    Keras's progress bar shows all logs: `layers` and `quantities` keep it short.

    Examples:
    >>> model = keras.Sequential([keras.Input((8,))])
    >>> model.add(keras.layers.Dense(8, activation="tanh", name="hidden"))
    >>> model.add(keras.layers.Dense(1, name="output"))
    >>> model.compile("sgd", "mse")
    >>> x, y = keras.random.normal((2, 64, 8), seed=0)
    >>> monitor = keras_initx.callbacks.SignalMonitor(
    ...     layers="hidden", quantities=["std", "saturated"]
    ... )
    >>> history = model.fit(x, y, epochs=3, callbacks=[monitor], verbose=0)
    >>> [name.split("/", 2)[2] for name in history.history if name != "loss"]
    ['hidden/std', 'hidden/saturated']

    Args:
        data: What `signal_report` takes as `x`, or None. Defaults to `None`: the first
            batch of `fit`.
        layers: str, list of str or None. The names or paths of layers; what is within
            them is meant too. Defaults to `None`: all.
        quantities: list of str. What is written. Defaults to all:
            `"pre_activation_std"`, `"std"`, `"dead"`, `"saturated"` and `"cosine"`.
        training: bool. Whether the model is called as in training, but for noise.
            Defaults to `True`.

    Raises:
        ValueError: If a quantity is unknown, or a layer of `layers` is not there.
    """

    def __init__(
        self,
        data: Any = None,
        *,
        layers: Any = None,
        quantities: Any = _QUANTITIES,
        training: bool = True,
    ) -> None:
        super().__init__()
        self.report: Any = None
        self._data = data
        self._layers = None if layers is None else _listed(layers)
        if self._layers is not None and not all(map(_is_name, self._layers)):
            raise _validate.error(
                "SignalMonitor",
                "`layers` to be names or paths of layers, or None",
                f"layers={layers!r}",
                'Pass for example ["dense_1"].',
            )
        self._quantities = [
            _validate.choice("SignalMonitor", "quantities", quantity, _QUANTITIES)
            for quantity in _listed(quantities)
        ]
        self._training = training
        self._batch: Any = None
        self._is_waiting = False
        self._keys: dict[str, float] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self._is_waiting, self._keys = True, {}
        if self._data is None:
            self._batch = None
        elif self._batch is None:
            self._batch = kept(one_batch("SignalMonitor", self._data, 1))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._is_waiting:
            self._is_waiting = False
            show_first_batches(self.model, 1, self._begin)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._batch is not None:
            found = self._look()
            if logs is not None:
                logs.update(self._keys | found)

    def _begin(self, batches: list[Any]) -> None:
        """Looks before the first step, where an error costs no epoch."""
        if self._data is None:
            x, _, _ = keras.utils.unpack_x_y_sample_weight(batches[0])
            self._batch = kept(one_batch("SignalMonitor", x, 1))
        self._look()

    def _look(self) -> dict[str, float]:
        """What the logs get now."""
        self.report = signal_report(self.model, self._batch, training=self._training)
        rows = [row for row in self.report if row.kernels and row.std is not None]
        for wanted in self._layers or ():
            if not any(_is_within(row.path, wanted) for row in rows):
                raise _validate.error(
                    "SignalMonitor",
                    "`layers` to name layers that have a kernel and run",
                    f"layers={wanted!r}, which names none",
                    f"The model has: {', '.join(row.path for row in rows) or 'none'}.",
                )
        found, names = {}, collections.Counter[str]()
        for row in rows:
            # Layers within layers may have one name, and so one path.
            number = names[row.path]
            names[row.path] += 1
            name = f"{row.path}_{number}" if number else row.path
            if self._layers and not any(_is_within(row.path, w) for w in self._layers):
                continue
            for quantity in self._quantities:
                value = getattr(row, quantity)
                # Where nothing can be saturated, nothing is written.
                if value is not None or quantity != "saturated":
                    key = f"signal/{name}/{quantity}"
                    found[key] = math.nan if value is None else value
        # `CSVLogger` writes in each epoch what the first one had.
        self._keys |= dict.fromkeys(found, math.nan)
        return found


def _listed(value: Any) -> list[Any]:
    """The members of what is given; what has none is one itself."""
    is_one = isinstance(value, str) or not isinstance(value, Iterable)
    return [value] if is_one else list(value) or [value]


def _is_name(value: Any) -> bool:
    return isinstance(value, str)


def _is_within(path: str, wanted: str) -> bool:
    """Whether a path is that of the wanted layer, or of one within it."""
    _, *names = path.split("/")
    return wanted in names or path == wanted or path.startswith(wanted + "/")
