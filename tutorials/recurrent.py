"""Recurrent networks that remember: the classical tasks, with each initialization.

- Adding (Hochreiter & Schmidhuber 1997): the sum of two marked numbers among 100. To
  guess the mean gives a squared error of 0.167.
- Copying (the same): ten symbols come back after a delay of 50 steps. To guess gives a
  cross-entropy of 10 log 8 / 70 = 0.297.
- Henaff, Szlam & LeCun (2016): both tasks for networks whose transition is linear,
  h_t = W h_(t-1) + relu(V x_t + b), and where W starts orthogonal or as the identity.
- Digits: scikit-learn's handwritten digits, pixel by pixel, row after row: 64 steps.

Each network is trained at the same learning rates, and at the best of them from two
more seeds. The training data are new in each step, except for the digits, so a loss is
that of data not seen before. The script prints its results as Markdown, and draws the
curves:

    KERAS_BACKEND=jax python recurrent.py
    KERAS_BACKEND=torch python recurrent.py --quick --output curves.png

The backends are `jax`, `tensorflow` and `torch`; `jax` is by far the fastest here.
`--tasks adding copying` leaves out the others, and so do `--networks`, `--rates` and
`--seeds`. `--quick` trains each network for a few steps only, to see that it runs.
"""

import argparse
import dataclasses
import math
import time
from collections.abc import Callable

import _common
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_initx

LEARNING_RATES = [3e-4, 1e-3, 3e-3]
BATCH_SIZE = 50
# A point of a curve is the mean loss over so many steps.
STEPS_EACH = 50


# The networks


def glorot(units, **arguments):
    """What a `SimpleRNN` was before orthogonal kernels."""
    return keras.layers.SimpleRNN(
        units, recurrent_initializer="glorot_uniform", **arguments
    )


def irnn(units, **arguments):
    """The recurrent network of Le, Jaitly and Hinton (2015)."""
    return keras.layers.SimpleRNN(
        units,
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        recurrent_initializer="gate_identity",
        **arguments,
    )


def orthogonal(units, **arguments):
    """A `SimpleRNN` that starts orthogonal."""
    return keras.layers.SimpleRNN(
        units, recurrent_initializer="gate_orthogonal", **arguments
    )


def unitary(units, **arguments):
    """The unitary network of Arjovsky, Shah and Bengio (2016)."""
    cell = keras_initx.layers.UnitaryRNNCell(units)
    return keras.layers.RNN(cell, **arguments)


def lstm(units, **arguments):
    """As Keras builds it: the bias of the forget gate is 1."""
    return keras.layers.LSTM(units, **arguments)


def chrono_lstm(max_timescale):
    """An LSTM whose biases know how long it has to remember."""

    def build(units, **arguments):
        return keras.layers.LSTM(
            units,
            recurrent_initializer="gate_orthogonal",
            bias_initializer=keras_initx.initializers.ChronoBias(max_timescale),
            unit_forget_bias=False,
            **arguments,
        )

    return build


def linear(recurrent_initializer):
    """A linear transition, as in the analysis of Henaff, Szlam and LeCun (2016)."""

    def build(units, **arguments):
        transition = keras.layers.SimpleRNN(
            units,
            activation=None,
            kernel_initializer="identity",
            recurrent_initializer=recurrent_initializer,
            **arguments,
        )
        return keras.Sequential([keras.layers.Dense(units, "relu"), transition])

    return build


# The tasks


def adding(length):
    """Numbers from U[0, 1] and marks; the target is the sum of the two marked ones."""

    def sample(generator, count):
        numbers = generator.random((count, length))
        marks = np.zeros((count, length))
        half = length // 2
        rows = np.arange(count)
        marks[rows, generator.integers(0, half, count)] = 1
        marks[rows, generator.integers(half, length, count)] = 1
        x = np.stack([numbers, marks], axis=-1).astype("float32")
        return x, (numbers * marks).sum(axis=1, keepdims=True).astype("float32")

    return sample


def copying(delay):
    """Ten of eight symbols, a delay, a signal; the target is blank, then the ten."""

    def sample(generator, count):
        symbols = generator.integers(1, 9, (count, 10))
        x = np.zeros((count, delay + 20), "int32")
        x[:, :10] = symbols
        x[:, delay + 9] = 9
        y = np.zeros_like(x)
        y[:, -10:] = symbols
        return np.eye(10, dtype="float32")[x], y

    return sample


@dataclasses.dataclass
class Task:
    """A task, the networks that try it, and how it is told.

    Attributes:
        title: str.
        shape: tuple of int. Steps and features.
        outputs: int. Of the last layer.
        units: int. Of the recurrent layer.
        is_sequence: bool. Whether there is an output at each step.
        loss: str or `keras.losses.Loss`.
        steps: int. Of training.
        networks: dict. Functions that build a recurrent layer, by name.
        sample: function of a generator and a number of samples. None for the digits.
        chance: float. The loss of a guess; for the digits the accuracy of one.
    """

    title: str
    shape: tuple[int, int]
    outputs: int
    units: int
    is_sequence: bool
    loss: object
    steps: int
    networks: dict[str, Callable]
    sample: Callable | None
    chance: float


def tasks():
    """All of them."""
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    both = {
        "orthogonal": linear("gate_orthogonal"),
        "identity": linear("gate_identity"),
    }
    add = {
        "shape": (100, 2),
        "outputs": 1,
        "is_sequence": False,
        "loss": "mse",
        "sample": adding(100),
        "chance": 1 / 6,
    }
    copy = {
        "shape": (70, 10),
        "outputs": 10,
        "is_sequence": True,
        "loss": classes,
        "sample": copying(50),
        "chance": 10 * math.log(8) / 70,
    }
    return {
        "adding": Task(
            "Adding, 100 steps: squared error",
            units=100,
            steps=4000,
            networks={
                "tanh, Glorot": glorot,
                "IRNN": irnn,
                "LSTM": lstm,
                "chrono LSTM": chrono_lstm(100),
            },
            **add,
        ),
        "copying": Task(
            "Copying, delay 50: cross-entropy",
            units=100,
            steps=4000,
            networks={
                "tanh, Glorot": glorot,
                "tanh, orthogonal": orthogonal,
                "unitary": unitary,
                "chrono LSTM": chrono_lstm(75),
            },
            **copy,
        ),
        "linear-adding": Task(
            "Adding, linear transition: squared error",
            units=100,
            steps=2000,
            networks=both,
            **add,
        ),
        "linear-copying": Task(
            "Copying, linear transition: cross-entropy",
            units=100,
            steps=2000,
            networks=both,
            **copy,
        ),
        "digits": Task(
            "Digits, pixel by pixel: test accuracy",
            shape=(64, 1),
            outputs=10,
            units=64,
            is_sequence=False,
            loss=classes,
            steps=1500,
            networks={
                "tanh, Glorot": glorot,
                "IRNN": irnn,
                "LSTM": lstm,
                "chrono LSTM": chrono_lstm(64),
            },
            sample=None,
            chance=0.1,
        ),
    }


# Training


def network_for(task, recurrent):
    """The recurrent layer, and a linear one after it."""
    return keras.Sequential(
        [
            keras.Input(task.shape),
            recurrent(task.units, return_sequences=task.is_sequence),
            keras.layers.Dense(task.outputs),
        ]
    )


def train(task, network, seed):
    """The curve of one training: losses, or test accuracies."""
    generator = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    if task.sample is None:
        x_train, y_train, x_test, y_test = _common.load_data()
        x_train, x_test = (x.reshape(-1, 64, 1) for x in (x_train, x_test))
        history = network.fit(
            x_train,
            y_train,
            BATCH_SIZE,
            max(1, task.steps * BATCH_SIZE // len(x_train)),
            verbose=0,
            validation_data=(x_test, y_test),
            validation_batch_size=BATCH_SIZE,
        ).history
        return history["loss"], history["val_accuracy"]
    losses = []
    for _ in range(0, task.steps, STEPS_EACH):
        x, y = task.sample(generator, BATCH_SIZE * STEPS_EACH)
        losses += network.fit(x, y, BATCH_SIZE, verbose=0).history["loss"]
    return losses, losses


def compare(task, name, rates, seeds):
    """Trains one network at each rate from the first seed, then from the others.

    Returns the runs at the rate with the lowest loss at the end.
    """
    initial = {}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        network = network_for(task, task.networks[name])
        initial[seed] = network.get_weights()
    network.compile(
        keras.optimizers.Adam(clipnorm=1.0),
        task.loss,
        metrics=[] if task.sample else ["accuracy"],
    )
    network.optimizer.build(network.trainable_variables)

    def run(rate, seed):
        _common.restart(network, initial[seed], rate)
        losses, curve = train(task, network, seed)
        # The mean over the last tenth: a single point may be a good or a bad moment.
        last = max(1, len(losses) // 10)
        loss, final = np.mean(losses[-last:]), np.mean(curve[-last:])
        print(
            f"  {name}, learning rate {rate:g}, seed {seed}: loss {loss:.4f}",
            flush=True,
        )
        return loss, final, curve

    tried = {rate: run(rate, seeds[0]) for rate in rates}
    best = min(rates, key=lambda r: tried[r][0] if tried[r][0] < math.inf else math.inf)
    runs = [tried[best], *(run(best, seed) for seed in seeds[1:])]
    _, final, curves = (np.array(part) for part in zip(*runs, strict=True))
    return {"rate": best, "final": final, "curves": curves}


# What is told of it


def print_table(task, runs):
    """A Markdown table: what each network reaches, and at which learning rate."""
    is_accuracy = task.sample is None
    guess = f"{task.chance:.0%}" if is_accuracy else f"{task.chance:.3f}"
    print(f"\n| {task.title} (a guess: {guess}) | mean (range) | learning rate |")
    print("|---|---|---|")
    for name, run in runs.items():
        values = [run["final"].mean(), run["final"].min(), run["final"].max()]
        form = (
            "{:.1%} ({:.1%} to {:.1%})" if is_accuracy else "{:.4f} ({:.4f} to {:.4f})"
        )
        print(f"| {name} | {form.format(*values)} | {run['rate']:g} |")


def plot(results, title, path):
    """Draws each task's curves, readable without colours too."""
    figure, panels = plt.subplots(
        2, math.ceil(len(results) / 2), figsize=(13, 8), squeeze=False
    )
    for panel in panels.flat[len(results) :]:
        panel.set_axis_off()
    for panel, (task, runs) in zip(panels.flat, results, strict=False):
        panel.axhline(task.chance, color="gray", linewidth=1, label="a guess")
        for (name, run), style in zip(
            runs.items(), ["-", "--", ":", "-."], strict=False
        ):
            curves = run["curves"]
            each = task.steps / curves.shape[1]
            steps = each * np.arange(1, curves.shape[1] + 1)
            (line,) = panel.plot(steps, curves.mean(axis=0), style, label=name)
            panel.fill_between(
                steps,
                curves.min(axis=0),
                curves.max(axis=0),
                color=line.get_color(),
                alpha=0.15,
            )
        panel.set(title=task.title, xlabel="step of training")
        panel.grid(alpha=0.3)
        if task.sample is None:
            panel.set_ylim(0, 1)
        else:
            panel.set(yscale="log", ylim=(1e-4, 2))
        panel.legend(fontsize="small")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main():
    """Trains everything, prints the tables and saves the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps of each")
    parser.add_argument("--output", default="recurrent.png", help="where the PNG goes")
    parser.add_argument("--tasks", nargs="*", default=list(tasks()))
    parser.add_argument("--networks", nargs="*", help="only these, by their names")
    parser.add_argument("--rates", nargs="*", type=float, default=LEARNING_RATES)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    chosen = {name: tasks()[name] for name in arguments.tasks}
    rates, seeds = arguments.rates, arguments.seeds
    if arguments.quick:
        rates, seeds = rates[:1], seeds[:1]
        for task in chosen.values():
            task.steps, task.units = 50, 16

    start = time.perf_counter()
    print(f"Training on the {keras.backend.backend()} backend:", flush=True)
    results = []
    for task in chosen.values():
        print(f"{task.title}:")
        runs = {
            name: compare(task, name, rates, seeds)
            for name in task.networks
            if not arguments.networks or name in arguments.networks
        }
        results.append((task, runs))
        print_table(task, runs)
    title = (
        f"Each network at its best learning rate (mean of {len(seeds)} seeds, shaded "
        "from the lowest to the highest)"
    )
    plot(results, title, arguments.output)
    seconds = time.perf_counter() - start
    print(f"\n{seconds:.0f} s. The learning curves are in {arguments.output}.")


if __name__ == "__main__":
    main()
