"""LSUV on the first batch of `fit`."""

import weakref
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.with_axes import with_axes
from keras_initx._model.batches import join
from keras_initx._model.selection import Selection
from keras_initx._registry import public
from keras_initx.callbacks._first_batches import show_first_batches
from keras_initx.callbacks._optimizers import copies_follow, steps
from keras_initx.schemes import lsuv


@public("callbacks")
class LSUV(keras.callbacks.Callback):
    """Initializes the model by the first batch of `fit`, and then lets it train.

    `keras_initx.schemes.lsuv` as a callback: each kernel is drawn orthonormal, and
    scaled so that the pre-activation of its layer has the standard deviation
    `target_std` on the first batch that training sees. Training loses nothing: it gets
    this batch too, whatever `fit` was given, and runs as many steps as without the
    callback.

    It works once for each model, when its training begins. When a training is resumed
    (`BackupAndRestore`, `initial_epoch`, a second `fit`) it says so and does nothing.
    Under `tf.distribute` and `keras.distribution` it sees the batch of all replicas.

    Examples:
    >>> model = keras.Sequential([keras.layers.Dense(8, activation="relu")] * 2)
    >>> model.compile("sgd", "mse")
    >>> x, y = keras.random.normal((2, 64, 8), seed=0)
    >>> callback = keras_initx.callbacks.LSUV()
    >>> history = model.fit(x, y, callbacks=[callback], verbose=0)
    >>> [row.calls for row in callback.report]
    [2]

    Args:
        data: What `lsuv` takes as `x`, or None. Defaults to `None`: the first batch of
            `fit`.
        target_std: float. As in `lsuv`. Defaults to `1.0`.
        initializer: As in `lsuv`. Defaults to `"haar_orthogonal"`.
        tolerance: float. As in `lsuv`. Defaults to `0.01`.
        per_channel: bool. As in `lsuv`. Defaults to `False`.
        center: bool. As in `lsuv`. Defaults to `False`.
        layers: As in `lsuv`. Defaults to `None`: all.
        batches: int. The number of batches that are taken together; training gets all
            of them. On the PyTorch backend more than one need `data`. Defaults to `1`.
        strict: bool. As in `lsuv`. Defaults to `False`.
        verbose: `"auto"`, 0 or 1. 0 is silent, also where there is nothing to do.
            Defaults to `"auto"`: a progress bar for a model of more than 50 layers.

    Raises:
        ValueError: As in `lsuv`. The model is what it was, and `fit` can be called
            again.

    Reference:
        - [Mishkin & Matas, 2016, All you need is a good
          init](https://arxiv.org/abs/1511.06422)
    """

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
        if self._batches > 1 and data is None and keras.backend.backend() == "torch":
            raise _validate.error(
                "LSUV",
                "`data` where `batches` is above 1 on the PyTorch backend, on which "
                "`fit` shows one batch at a time",
                f"batches={batches!r}, data=None",
                "Pass a data set as `data`, or use one batch.",
            )
        Selection("LSUV", layers)
        self._verbose = verbose
        self._options = {
            "target_std": _validate.positive("LSUV", "target_std", target_std),
            "initializer": _seeded(initializer),
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
            count = self._batches if self._data is None else 1
            show_first_batches(self.model, count, self._initialize)

    def _why_not(self, epoch: int) -> str:
        """Why this training does not start from initial weights; empty if it does."""
        if self._done() is self.model:
            return "it has initialized this model before"
        if (made := steps(self.model)) or epoch > 0:
            return f"training is resumed, at epoch {epoch + 1} after {made} steps"
        return ""

    def _initialize(self, batches: list[Any]) -> None:
        """Initializes by the first batches of the training, or by `data`."""
        model, data, count = self.model, self._data, self._batches
        if data is None:
            inputs = [keras.utils.unpack_x_y_sample_weight(each)[0] for each in batches]
            data, count = join("LSUV", inputs), 1
        with copies_follow(model):
            self.report = lsuv(model, data, batches=count, **self._options)
        self._done = weakref.ref(model)


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
