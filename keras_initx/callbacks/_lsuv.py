"""LSUV on the first batch of `fit`."""

import weakref
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.with_axes import with_axes
from keras_initx._model.batches import join, training_batch
from keras_initx._model.optimizers import copies_follow, steps
from keras_initx._model.selection import Selection
from keras_initx._model.training_step import TrainingStep, has_call, inputs_of
from keras_initx._registry import public
from keras_initx.callbacks._beginning import Beginning
from keras_initx.schemes import lsuv
from keras_initx.schemes._lsuv.scheme import checked_target_std


@public("callbacks")
class LSUV(Beginning):
    """Initializes the model by the first batch of `fit`, and then lets it train.

    `keras_initx.schemes.lsuv` as a callback: each kernel is drawn orthonormal, and
    scaled so that the pre-activation of its layer has the standard deviation
    `target_std` on the first batch that training sees. Training loses nothing: it gets
    this batch too, whatever `fit` was given, and runs as many steps as without the
    callback.

    It works once for each model, when its training begins. When a training is resumed
    (`BackupAndRestore`, `initial_epoch`, a second `fit`) it says so and does nothing.
    Under `tf.distribute` and `keras.distribution` it sees the batch of all replicas.

    - A loop of your own works too, with `keras.callbacks.CallbackList` and
      `model.train_on_batch`.
    - A model that has only a `train_step`, and no `call`, is initialized by its own
      training step: it runs once on the batch, and its updates are held back. Only the
      parts of the model that the step trains are scaled.
    - A copy of the callback (`copy.deepcopy`, `pickle`) has initialized no model yet.

    Examples:
    >>> model = keras.Sequential([keras.layers.Dense(8, activation="relu")] * 2)
    >>> model.compile("sgd", "mse")
    >>> x, y = keras.random.normal((2, 64, 8), seed=0)
    >>> callback = keras_initx.callbacks.LSUV()
    >>> history = model.fit(x, y, callbacks=[callback], verbose=0)
    >>> [row.calls for row in callback.report]
    [2]

    Args:
        data: What `lsuv` takes as `x`, or None. For a model without `call`: what its
            `train_step` gets, or a data set of it. Defaults to `None`: the first batch
            of `fit`.
        target_std: float. As in `lsuv`. Defaults to `1.0`.
        initializer: As in `lsuv`. Defaults to `"haar_orthogonal"`.
        tolerance: float. As in `lsuv`. Defaults to `0.01`.
        per_channel: bool. As in `lsuv`. Defaults to `False`.
        center: bool. As in `lsuv`. Defaults to `False`.
        layers: As in `lsuv`. Defaults to `None`: all.
        batches: int. The number of batches that are taken together. Training gets all
            of them. On the PyTorch backend, more than one needs `data`. Defaults to
            `1`.
        strict: bool. As in `lsuv`. Defaults to `False`.
        verbose: `"auto"`, 0 or 1. 0 is silent, also where there is nothing to do.
            Defaults to `"auto"`: a progress bar for a model of more than 50 layers.

    Raises:
        ValueError: As in `lsuv`, or if a step did not use the model's
            `train_function`. The model is as before, and `fit` can be called again.

    Reference:
        - [Mishkin & Matas, 2016, All you need is a good
          init](https://arxiv.org/abs/1511.06422)
    """

    _done: Any
    _drawing: Any

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
        self._data = data
        self._batches = _validate.positive_integer("LSUV", "batches", batches)
        if self._batches > 1 and data is None and keras.backend.backend() == "torch":
            raise _validate.error(
                "LSUV",
                "`data` if `batches` is above 1 on the PyTorch backend, where `fit` "
                "shows one batch at a time",
                f"batches={batches!r}, data=None",
                "Pass a data set as `data`, or use one batch.",
            )
        Selection("LSUV", layers)
        self._verbose = verbose
        # Its seed is drawn now, and not from Python's generator in the midst of `fit`.
        self._initializer = keras.initializers.get(initializer)
        self._options = {
            "target_std": checked_target_std("LSUV", target_std),
            "tolerance": _validate.positive("LSUV", "tolerance", tolerance),
            "per_channel": per_channel,
            "center": center,
            "layers": layers,
            "strict": strict,
            "verbose": verbose,
        }

    def _fresh(self) -> dict[str, Any]:
        return {
            **super()._fresh(),
            # The model that this object has initialized.
            "_done": None,
            # The initializer whose seed moves on from model to model.
            "_drawing": None,
        }

    def _shared(self) -> list[Any]:
        return [self._data, self._options["layers"]]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # By now other callbacks have restored what they restore.
        if self._is_waiting:
            self._check(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._refuse()
        if self._is_waiting and self._check(0):
            self._show(self._batches if self._data is None else 1, self._initialize)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._refuse()

    def _not_shown(self) -> ValueError:
        return _validate.error(
            "LSUV",
            "a training by `fit` or `train_on_batch`, where it sees the first batch",
            "a step that did not use the model's `train_function`",
            "Call `keras_initx.schemes.lsuv(model, x)` before the loop.",
        )

    def _check(self, epoch: int) -> bool:
        """Whether the training starts from initial weights; if not, says why."""
        if reason := self._why_not(epoch):
            self._is_waiting = False
            if self._verbose:
                print(f"LSUV does nothing: {reason}.")
        return not reason

    def _why_not(self, epoch: int) -> str:
        """Why this training does not start from initial weights; empty if it does."""
        if self._done is not None and self._done() is self.model:
            return "it has initialized this model before"
        if (made := steps(self.model)) or epoch > 0:
            return f"training is resumed, at epoch {epoch + 1} after {made} steps"
        return ""

    def _initialize(self, batches: list[Any]) -> None:
        """Initializes by the first batches of the training, or by `data`."""
        model = self.model
        if self._drawing is None:
            self._drawing = _seeded(self._initializer)
        with copies_follow(model):
            if has_call(model):
                self.report = self._scale(model, *self._inputs(batches))
            else:
                data = self._training_batch(batches)
                step = TrainingStep("LSUV", model, data)
                self.report = self._scale(step, inputs_of(data))
        self._done = weakref.ref(model)

    def _scale(self, model: Any, x: Any, batches: int = 1) -> Any:
        options = {**self._options, "initializer": self._drawing}
        return lsuv(model, x, batches=batches, **options)

    def _inputs(self, batches: list[Any]) -> tuple[Any, int]:
        """What `lsuv` takes as `x` and `batches`."""
        if self._data is None:
            return join("LSUV", list(map(inputs_of, batches))), 1
        return self._data, self._batches

    def _training_batch(self, batches: list[Any]) -> Any:
        """What the model's `train_step` gets."""
        if self._data is None:
            return join("LSUV", batches)
        return training_batch("LSUV", self._data, self._batches)


def _seeded(initializer: Any) -> Any:
    """The initializer; if it has no seed, with a generator from the one it drew.

    A second model then gets other kernels, and no seed is drawn in the middle of `fit`.
    """
    initializer = keras.initializers.get(initializer)
    if isinstance(initializer, keras.initializers.Initializer):
        drawn = getattr(initializer, "seed", None)
        is_unnamed = initializer.get_config().get("seed", 0) is None
        if is_unnamed and _validate.is_integer(drawn):
            return with_axes(initializer, seed=keras.random.SeedGenerator(drawn))
    return initializer
