"""Training from several starts, at the same rates and from the same seeds.

    network.compile(keras.optimizers.SGD(momentum=0.9), loss, metrics=["accuracy"])
    run = best_run(network, start, data, rates=[1e-3, 1e-2], seeds=[0, 1, 2], epochs=8)
    run.score.mean, run.score.low, run.score.high

One network serves all starts: it is compiled once, and only its weights are exchanged.
"""

import dataclasses
import json
import math
import platform
from pathlib import Path

import _common
import keras
import numpy as np

import keras_initx

# What the pages of the documentation are made from.
MEASURED = Path(__file__).parents[1] / "docs" / "measured"


@dataclasses.dataclass(frozen=True)
class Spread:
    """A number for each seed, as mean, lowest and highest."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        """Of a list; the mean is not finite where one value is not."""
        return cls(float(np.mean(values)), float(np.min(values)), float(np.max(values)))


@dataclasses.dataclass(frozen=True)
class Run:
    """What was learned at one rate: `losses` and `scores` are `(seeds, epochs)`.

    A loss is the mean over an epoch of training. A score is what `fit` calls `val_`:
    the first metric of the compiled network, or the loss, on data not seen.
    """

    rate: float
    losses: np.ndarray
    scores: np.ndarray

    @property
    def loss(self):
        """The training loss of the last epoch."""
        return Spread.of(self.losses[:, -1])

    @property
    def score(self):
        """The score after the last epoch."""
        return Spread.of(self.scores[:, -1])

    def told(self):
        """A line for those who wait: the last losses and scores, one for each seed."""
        ends = [
            ", ".join(f"{value:.3g}" for value in values[:, -1])
            for values in (self.losses, self.scores)
        ]
        return f"learning rate {self.rate:g}: loss {ends[0]}, test {ends[1]}"

    @property
    def order(self):
        """What the best of several runs has the lowest of."""
        return self.loss.mean if math.isfinite(self.loss.mean) else math.inf


def runs(
    network,
    start,
    data,
    rates,
    seeds,
    epochs,
    batch_size=_common.BATCH_SIZE,
    callbacks=list,
    label=None,
):
    """A `Run` for each rate.

    Args:
        network: compiled model.
        start: function of the network and a seed, which sets its weights.
        data: `(x_train, y_train, x_test, y_test)`. Whole batches spare compiling.
        rates: learning rates.
        seeds: int seeds, for the weights and for the order of the data.
        epochs: int.
        batch_size: int.
        callbacks: function that makes the callbacks of one training.
        label: str or None. If given, a line is printed for each rate.
    """
    x_train, y_train, x_test, y_test = data
    found = []
    for rate in rates:
        histories = []
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            start(network, seed)
            _common.restart(network, network.get_weights(), rate)
            histories.append(
                network.fit(
                    x_train,
                    y_train,
                    batch_size,
                    epochs,
                    verbose=0,
                    callbacks=callbacks(),
                    validation_data=(x_test, y_test),
                    validation_batch_size=batch_size,
                ).history
            )
        names = [name for name in histories[0] if name.startswith("val_")]
        # `val_loss` comes after the metrics, where there are any.
        score = min(names, key=lambda name: name == "val_loss")
        losses = np.array([history["loss"] for history in histories])
        scores = np.array([history[score] for history in histories])
        found.append(Run(rate, losses, scores))
        if label:
            print(f"  {label}, {found[-1].told()}", flush=True)
    return found


def best_run(*arguments, **keywords):
    """The one of `runs` with the lowest mean training loss at the end."""
    return min(runs(*arguments, **keywords), key=lambda run: run.order)


def write(page, name, values):
    """Writes what was measured, and where, for a page of the documentation."""
    versions = {"keras": keras.__version__, "keras_initx": keras_initx.__version__}
    path = MEASURED / page / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        **versions,
        **values,
    }
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return path
