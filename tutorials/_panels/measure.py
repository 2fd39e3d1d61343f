"""Measures what the panels of an entry show, as plain values for JSON."""

import dataclasses
import math
from fnmatch import fnmatch

import _common
import _learning
import keras
import numpy as np

from _panels.entry import keras_default
from _panels.pixels import pixels

SEEDS = [0, 1, 2]
# A curve of a spectrum has so many points.
POINTS = 64


class Measurements:
    """Measures each start of a network once: several entries share Keras's default."""

    def __init__(self, is_quick=False):
        self.is_quick = is_quick
        self.seeds = SEEDS[:1] if is_quick else SEEDS
        self._runs = {}

    def of(self, entry):
        """All that the picture of an entry shows, and how it was measured."""
        task = entry.task()
        beside = entry.plain_task() if entry.plain_task else task
        return {
            "network": task.title,
            "shown": entry.shown.replace("*/", ""),
            "default": entry.default,
            "spectrum": entry.spectrum.label,
            "along": task.along,
            "score": task.score,
            "rates": self._rates(task),
            "seeds": self.seeds,
            "steps_before_signal": entry.steps,
            "is_weight_trained": entry.is_trained,
            "named": self._side(entry, task, entry.start),
            "beside": self._side(entry, beside, keras_default),
        }

    def _rates(self, task):
        return task.rates[:1] if self.is_quick else task.rates

    def _side(self, entry, task, start):
        """One of the two starts, at its best learning rate."""
        run = self._run(task, start)
        start(task.network, self.seeds[0])
        weight = weight_of(task.network, entry.shown)
        if entry.steps:
            _common.restart(task.network, task.network.get_weights(), run.rate)
            train(task, entry.steps)
        if entry.is_trained:
            weight = weight_of(task.network, entry.shown)
        spectrum = entry.spectrum.of(weight)
        chosen = np.linspace(0, len(spectrum) - 1, min(len(spectrum), POINTS))
        return {
            "rate": run.rate,
            "losses": [plain(losses) for losses in run.losses],
            "scores": [plain(scores) for scores in run.scores],
            "values": plain(spectrum[chosen.round().astype(int)]),
            # A line of numbers for each line of pixels.
            "pixels": [
                " ".join(f"{value:.3g}" for value in row) for row in pixels(weight)
            ],
            **{
                name: plain(values)
                for name, values in dataclasses.asdict(task.signal()).items()
            },
        }

    def _run(self, task, start):
        """Trains, unless this start of this network was trained before."""
        key = id(task), start
        if key not in self._runs:
            self._runs[key] = _learning.best_run(
                task.network,
                start,
                task.data,
                self._rates(task),
                self.seeds,
                1 if self.is_quick else task.epochs,
            )
        return self._runs[key]


def plain(values):
    """Numbers of five digits; None where one is not finite."""
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in map(float, values)]


def train(task, steps):
    """So many steps, in the order of the data."""
    x, y = (part[: steps * _common.BATCH_SIZE] for part in task.data[:2])
    epochs = max(1, steps * _common.BATCH_SIZE // len(x))
    task.network.fit(x, y, _common.BATCH_SIZE, epochs, verbose=0, shuffle=False)


def weight_of(network, pattern):
    """The only weight whose path matches."""
    (found,) = [
        weight
        for weight in network.trainable_weights
        if fnmatch(weight.path, pattern) or fnmatch(weight.path, f"*/{pattern}")
    ]
    return keras.ops.convert_to_numpy(found)
