"""The signal in each layer, in the logs of every epoch."""

import collections
import math
from collections.abc import Iterable
from typing import Any

from keras_initx import _validate
from keras_initx._model.batches import copied, join, one_batch, training_batch
from keras_initx._model.training_step import TrainingStep, has_call, inputs_of
from keras_initx._registry import public
from keras_initx.callbacks._beginning import Beginning
from keras_initx.diagnostics import signal_report

# The attributes of a row that need no gradient.
_QUANTITIES = ("pre_activation_std", "std", "dead", "saturated", "cosine")


@public("callbacks")
class SignalMonitor(Beginning):
    """Writes what the signal does in each layer into the logs of every epoch.

    The part of `keras_initx.diagnostics.signal_report` that needs no gradient, on one
    batch that stays the same. After each epoch the logs have, for each layer with a
    kernel:

        signal/<path of the layer>/pre_activation_std
        signal/<path of the layer>/std
        signal/<path of the layer>/dead
        signal/<path of the layer>/saturated  (where the activation is bounded)
        signal/<path of the layer>/cosine

    NaN stands for what is not known. The history has these values, and so have the
    callbacks that come after this one in the list: `CSVLogger`, `TensorBoard`,
    `EarlyStopping`. The attribute `report` is the whole report of the last look.

    It also looks before the first step. Each look takes one to two forward passes.
    Training gives the same result as without the callback: weights, seeds, moving
    averages and batches do not change. For a model that has only a `train_step`, and
    no `call`, a look runs its training step once and holds its updates back.

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
        data: What `signal_report` takes as `x`, or None. For a model without `call`:
            what its `train_step` gets, or a data set of it. Defaults to `None`: the
            first batch of `fit`.
        layers: str, list of str or None. The names or paths of layers. The layers
            within them are selected too. Defaults to `None`: all.
        quantities: list of str. What is written. Defaults to all:
            `"pre_activation_std"`, `"std"`, `"dead"`, `"saturated"` and `"cosine"`.
        training: bool. Whether the model is called as in training. Layers that add
            noise pass on their inputs then. Defaults to `True`.

    Raises:
        ValueError: If a quantity is unknown, if the model does not have a layer of
            `layers`, or if there is no `data` and a step did not use the model's
            `train_function`.
    """

    _batch: Any
    _keys: dict[str, float]

    def __init__(
        self,
        data: Any = None,
        *,
        layers: Any = None,
        quantities: Any = _QUANTITIES,
        training: bool = True,
    ) -> None:
        super().__init__()
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

    def _fresh(self) -> dict[str, Any]:
        return {
            **super()._fresh(),
            # What is looked at; for a model without `call`, what its step gets.
            "_batch": None,
            "_keys": {},
        }

    def _shared(self) -> list[Any]:
        return [self._data]

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        self._keys = {}
        if self._data is None:
            self._batch = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._refuse()
        if self._is_waiting:
            if self._batch is None and self._data is not None:
                take = one_batch if has_call(self.model) else training_batch
                self._batch = copied(take("SignalMonitor", self._data, 1))
            self._show(1, self._begin)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._refuse()
        if self._batch is not None:
            found = self._look()
            if logs is not None:
                logs.update(self._keys | found)

    def _refuse(self) -> None:
        # With data of its own it does not need to be shown any.
        if self._data is None:
            super()._refuse()

    def _not_shown(self) -> ValueError:
        return _validate.error(
            "SignalMonitor",
            "`data`, or a training by `fit` or `train_on_batch`, where it sees the "
            "first batch",
            "data=None, and a step that did not use the model's `train_function`",
            "Pass a batch of inputs as `data`.",
        )

    def _begin(self, batches: list[Any]) -> None:
        """Looks before the first step, where an error costs no epoch."""
        if self._data is None:
            (batch,) = batches
            if has_call(self.model):
                batch = inputs_of(batch)
            self._batch = copied(join("SignalMonitor", [batch]))
        self._look()

    def _look(self) -> dict[str, float]:
        """What the logs get now."""
        model, x = self.model, self._batch
        if not has_call(model):
            model, x = TrainingStep("SignalMonitor", model, x), inputs_of(x)
        self.report = signal_report(model, x, training=self._training)
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
