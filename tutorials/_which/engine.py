"""Measures a row: each line at the same rates, from the same seeds."""

import contextlib
import dataclasses
import io
import math
import time

import _learning
import keras
from _which.row import Row

import keras_initx

# Keras's default is the line that says nothing.
DEFAULT = ""


class Line:
    """One line of a row, and the models that start as it says."""

    def __init__(self, row: Row, text, size, data):
        self.row, self.text, self.size = row, text, size
        libraries = {"keras": keras, "keras_initx": keras_initx}
        self.names = {**libraries, "x": data[0], "y": data[1], **row.names()}
        self.weights = {}

    @property
    def is_call(self):
        """Whether it is a call on a model that is there already."""
        return self.text.startswith("keras_initx.")

    @property
    def arguments(self):
        """What it gives to the layers, or in the place of a layer."""
        if self.text.startswith("keras.layers."):
            return {"layer": eval(self.text, self.names)}
        return {} if self.is_call else eval(f"dict({self.text})", self.names)

    @property
    def is_only_weights(self):
        """Whether the network computes the same function of its weights."""
        return all(name.endswith("_initializer") for name in self.arguments)

    def model(self):
        """A new model that starts as the line says."""
        model = self.row.build(**{**self.size, **self.arguments})
        if self.is_call:
            # Without the bar of progress.
            with contextlib.redirect_stdout(io.StringIO()):
                exec(self.text, {**self.names, "model": model})
        return model

    def start(self, network, seed):
        """What `_learning.best_run` calls, after it has set the seed."""
        if seed not in self.weights:
            self.weights[seed] = self.model().get_weights()
        network.set_weights(self.weights[seed])


class Experiment:
    """A network and a task, on which lines are compared."""

    def __init__(self, row, size, task, seeds, say):
        self.row, self.size, self.task, self.seeds = row, size, task, seeds
        self.say = say
        self.data = task.data()
        self.network = self.compiled(DEFAULT)

    def compiled(self, text):
        """A network, ready to train; one serves all lines that only set weights."""
        network = Line(self.row, text, self.size, self.data).model()
        self.task.compile(network)
        return network

    def run(self, text):
        """The best run of a line, as plain values."""
        begin = time.perf_counter()
        line = Line(self.row, text, self.size, self.data)
        network = self.network if line.is_only_weights else self.compiled(text)
        task, train = self.task, self.row.train or _learning.best_run
        rest = (task.rates, self.seeds, task.epochs, task.batch_size)
        data = [part[: task.samples] for part in self.data]
        found = train(network, line.start, data, *rest)
        values = {
            "rate": found.rate,
            "score": dataclasses.asdict(found.score),
            "loss": dataclasses.asdict(found.loss),
        }
        if self.row.extra:
            line.start(network, self.seeds[0])
            values["extra"] = self.row.extra(network, self.data)
        score, seconds = found.score, time.perf_counter() - begin
        self.say(
            f"  {text or 'default'}: rate {found.rate:g}, loss {found.loss.mean:.4g}, "
            f"{task.score} {score.mean:.4g} ({score.low:.4g} to {score.high:.4g}), "
            f"{seconds:.0f} s {values.get('extra', '')}",
            flush=True,
        )
        return values


def best_of(row, runs):
    """The line with the best score, other than Keras's default."""

    def order(text):
        mean = runs[text]["score"]["mean"]
        mean = -mean if row.task.is_higher_better else mean
        return mean if math.isfinite(mean) else math.inf

    return min((text for text in runs if text != DEFAULT), key=order)


def quick(task):
    """The same task in a moment."""
    return dataclasses.replace(
        task, samples=2 * task.batch_size, epochs=1, rates=task.rates[:1]
    )


def measure(row: Row, is_quick=False, say=print):
    """All that the page tells of a row."""
    begin = time.process_time()
    seeds = [0] if is_quick else [0, 1, 2]
    task, sizes = (quick(row.task) if is_quick else row.task), {**row.size}
    if is_quick:
        sizes.update(row.small)
    experiment = Experiment(row, sizes, task, seeds, say)
    lines = row.lines[:1] if is_quick else row.lines
    runs = {text: experiment.run(text) for text in (DEFAULT, *lines)}
    values = {"seeds": seeds, "runs": runs, "rates": task.rates, "epochs": task.epochs}
    if row.control and not is_quick:
        control = row.control
        say(f"  {control.what}:")
        task = control.task or row.task
        experiment = Experiment(row, control.size, task, seeds, say)
        lines = (DEFAULT, best_of(row, runs))
        values["control"] = {text: experiment.run(text) for text in lines}
    values["seconds"] = round(time.process_time() - begin)
    return values
