"""LSUV beside Glorot, He and orthogonal kernels, for four activations.

The comparison of Mishkin & Matas (2016) on scikit-learn's handwritten digits: 30 thin
3 x 3 convolutions without normalization or skip connections, with ReLU, "very leaky"
ReLU, tanh or maxout. LSUV (layer-sequential unit variance) is told nothing about the
activation: it looks at the first batch of `fit`.

Each activation and initialization is trained at the same learning rates, from the same
three seeds, and shown at the rate with the lowest training loss. The script prints its
results as Markdown, and draws the test accuracy after each epoch:

    KERAS_BACKEND=jax python lsuv.py
    KERAS_BACKEND=torch python lsuv.py --quick --output curves.png

The backends are `jax`, `tensorflow` and `torch`; `jax` is the fastest here. `--quick`
trains 6 convolutions, from one seed at one learning rate, for fewer epochs.
"""

import argparse
import math
import time

import _common
import keras
import matplotlib.pyplot as plt
from _learning import best_run

import keras_initx

ACTIVATIONS = ["ReLU", "leaky ReLU", "tanh", "maxout"]
# LSUV draws its own kernels, whatever the network was built with.
INITIALIZATIONS = {
    "LSUV": "glorot_uniform",
    "Glorot": "glorot_uniform",
    "He": "he_normal",
    "orthogonal": "orthogonal",
}
LEARNING_RATES = [1e-3, 3e-3, 1e-2]


def build(activation, initializer, depth):
    """`depth` convolutions, the first of which makes the image 4 x 4, and 10 logits."""

    def convolution(inputs, strides):
        return keras.layers.Conv2D(
            16, 3, strides, padding="same", kernel_initializer=initializer
        )(inputs)

    inputs = outputs = keras.Input((8, 8, 1))
    for strides in [2] + [1] * (depth - 1):
        if activation == "maxout":
            # A kernel for each piece, so that every initializer sees the right fans.
            pieces = [convolution(outputs, strides) for _ in range(2)]
            outputs = keras.layers.Maximum()(pieces)
        elif activation == "leaky ReLU":
            outputs = convolution(outputs, strides)
            outputs = keras.layers.LeakyReLU(negative_slope=0.333)(outputs)
        else:
            outputs = convolution(outputs, strides)
            outputs = keras.layers.Activation(activation.lower())(outputs)
    outputs = keras.layers.Flatten()(outputs)
    outputs = keras.layers.Dense(10, kernel_initializer=initializer)(outputs)
    return keras.Model(inputs, outputs)


def initial_weights(activation, initialization, depth, seeds):
    """The weights that training starts from, for each seed."""
    weights = {}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        network = build(activation, INITIALIZATIONS[initialization], depth)
        weights[seed] = network.get_weights()
    return weights


def train(network, initialization, weights, data, rates, epochs):
    """Trains at each rate from each seed; returns the `Run` of lowest mean loss."""

    def callbacks():
        if initialization == "LSUV":
            # This is all that it takes; 0 leaves out the progress bar.
            return [keras_initx.callbacks.LSUV(verbose=0)]
        return []

    return best_run(
        network,
        # One network serves all initializations: only its weights are exchanged.
        lambda network, seed: network.set_weights(weights[seed]),
        data,
        rates,
        list(weights),
        epochs,
        callbacks=callbacks,
        label=initialization,
    )


def print_table(title, results, cell):
    """A Markdown table of what `cell` says of each activation and initialization."""
    print(f"\n| {title} | {' | '.join(INITIALIZATIONS)} |")
    print("|---" * (len(INITIALIZATIONS) + 1) + "|")
    for activation, runs in results.items():
        print(f"| {activation} | {' | '.join(cell(run) for run in runs.values())} |")


def accuracy_cell(run):
    """The test accuracy at the end: the mean over the seeds, lowest and highest."""
    last = 100 * run.scores[:, -1]
    return f"{last.mean():.0f} % ({last.min():.0f} to {last.max():.0f})"


def loss_cell(run):
    """The training loss, and the learning rate that led to it."""
    if not math.isfinite(run.order):
        return "diverges at every rate"
    return f"{run.order:.3f} at {run.rate:g}"


def plot(results, title, path):
    """Draws the test accuracy after each epoch, readable without colours too."""
    figure, panels = plt.subplots(2, 2, figsize=(10, 7.4), sharex=True, sharey=True)
    for panel, (activation, runs) in zip(panels.flat, results.items(), strict=True):
        panel.axhline(10, color="gray", linewidth=1, label="chance")
        for (name, run), style in zip(
            runs.items(), ["o-", "^:", "s--", "x-."], strict=True
        ):
            curves = 100 * run.scores
            epochs = range(1, curves.shape[1] + 1)
            (line,) = panel.plot(epochs, curves.mean(axis=0), style, label=name)
            panel.fill_between(
                epochs,
                curves.min(axis=0),
                curves.max(axis=0),
                color=line.get_color(),
                alpha=0.15,
            )
        panel.set(title=activation, ylim=(0, 100), xticks=epochs)
        panel.grid(alpha=0.3)
    for panel in panels[:, 0]:
        panel.set_ylabel("test accuracy (%)")
    for panel in panels[1]:
        panel.set_xlabel("epoch")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels))
    figure.suptitle(title)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=150)


def main():
    """Trains everything, prints the tables and saves the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller comparison")
    parser.add_argument("--output", default="lsuv.png", help="where the PNG goes")
    arguments = parser.parse_args()
    depth, rates, seeds, epochs = 30, LEARNING_RATES, [0, 1, 2], 8
    if arguments.quick:
        depth, rates, seeds, epochs = 6, LEARNING_RATES[1:2], [0], 2

    start = time.perf_counter()
    data = _common.load_data()
    print(f"Training on the {keras.backend.backend()} backend:", flush=True)
    results = {}
    for activation in ACTIVATIONS:
        print(f"{activation}:")
        network = build(activation, "zeros", depth)
        _common.compile_network(network)
        results[activation] = {}
        for name in INITIALIZATIONS:
            weights = initial_weights(activation, name, depth, seeds)
            results[activation][name] = train(
                network, name, weights, data, rates, epochs
            )
    print_table("Test accuracy, mean over the seeds (range)", results, accuracy_cell)
    print_table("Training loss, at which learning rate", results, loss_cell)
    print(
        """
Chance is 10 %. ReLU and leaky ReLU shrink the signal at each convolution, and so does
the zero padding at the border. He's scale makes up for ReLU but not for the padding,
and is too large for maxout. LSUV measures what arrives, and needs no formula."""
    )
    title = (
        f"{depth} convolutions without normalization, each initialization at its best "
        f"learning rate\n(mean of {len(seeds)} seeds, shaded from the lowest to the "
        "highest)"
    )
    plot(results, title, arguments.output)
    seconds = time.perf_counter() - start
    print(f"\n{seconds:.0f} s. The learning curves are in {arguments.output}.")


if __name__ == "__main__":
    main()
