"""Deep plain networks of GELU and its like: the gain, LSUV and the critical point.

A gain keeps the mean square 1. But with GELU, SiLU and gated units a sample whose mean
square is a little larger gets larger in each layer, and a smaller one smaller. LSUV
scales the whole batch, and so does not change this. At the critical point with a large
variance it is the other way round: samples come back to one mean square.

The script measures how far the samples are apart at each depth, for five activations:
the largest over the smallest root mean square of 64 digits. Then it trains a plain
network of GELU from five initializations, each at the same learning rates and from the
same three seeds, and shows each at the rate with the lowest training loss. It prints
its results as Markdown, and draws both:

    KERAS_BACKEND=jax python critical.py
    KERAS_BACKEND=torch python critical.py --quick --output spread.png

`--quick` takes fewer layers, and one seed and rate.
"""

import argparse
import math
import time

import _common
import keras
import matplotlib.pyplot as plt
import numpy as np
from _learning import best_run

import keras_initx
from keras_initx.initializers import HaarOrthogonal

ACTIVATIONS = ["tanh", "relu", "gelu", "silu", "swiglu"]
LABELS = ["tanh", "ReLU", "GELU", "SiLU", "SwiGLU"]
SCHEMES = ["gain", "LSUV", "critical point"]
INITIALIZATIONS = ["Glorot", "He", *SCHEMES, "looks linear"]
LEARNING_RATES = [1e-4, 3e-4, 1e-3, 3e-3]
STYLES = {
    "Glorot": "C7d:",
    "He": "C1^:",
    "gain": "C0s--",
    "LSUV": "C3x-.",
    "critical point": "C2o-",
    "looks linear": "C4v-",
}


def hidden(x, activation, width, **arguments):
    """A pre-activation, and what the activation makes of it."""
    z = keras.layers.Dense(width, **arguments)(x)
    if activation == "swiglu":
        return z, keras.ops.silu(z) * keras.layers.Dense(width, **arguments)(x)
    return z, keras.layers.Activation(activation)(z)


def build(activation, depth, width):
    """A plain network with 10 logits, and a model of its pre-activations."""
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten(name="pixels")(inputs)
    pre_activations = []
    for _ in range(depth):
        z, x = hidden(x, activation, width)
        pre_activations.append(z)
    outputs = keras.layers.Dense(10)(x)
    return keras.Model(inputs, outputs), keras.Model(inputs, pre_activations)


def start(network, name, activation, x, seed):
    """Gives the network the weights of an initialization."""
    keras.utils.set_random_seed(seed)
    keras_initx.reinitialize(network, seed=seed)
    if name == "He":
        keras_initx.reinitialize(network, {"*/kernel": "he_normal"}, seed=seed)
    elif name == "gain":
        kernel = HaarOrthogonal(gain=activation, scale="variance")
        keras_initx.reinitialize(network, {"*/kernel": kernel}, seed=seed)
        # The digits have the mean square 1 already.
        for layer in first_layers(network):
            layer.kernel.assign(layer.kernel / keras_initx.gain(activation))
    elif name == "LSUV":
        keras_initx.lsuv(network, x, verbose=0)
    elif name == "critical point":
        # This is all that it takes.
        keras_initx.critical(network, x, seed=seed)
    elif name == "looks linear":
        keras_initx.looks_linear(network, seed=seed)


def first_layers(network):
    """The layers that see the data: two of a gated unit."""
    images = network.get_layer("pixels").output
    return [each for each in network.layers if each.weights and each.input is images]


def spreads(activation, depth, width, x):
    """How far the samples are apart, layer by layer, under each scheme."""
    network, pre_activations = build(activation, depth, width)
    results = {}
    for name in SCHEMES:
        if activation == "swiglu" and name == "critical point":
            # It has none that is stable.
            continue
        start(network, name, activation, x, seed=0)
        results[name] = [spread(z) for z in pre_activations.predict(x, verbose=0)]
    return results


def spread(z):
    """The largest over the smallest root mean square of a sample."""
    z = z.astype("float64")
    sizes = np.sqrt(np.mean(z**2, axis=1))
    return sizes.max() / sizes.min() if sizes.min() > 0 else math.inf


def train(network, name, data, rates, seeds, epochs):
    """Trains at each rate from each seed; returns the `Run` of lowest mean loss."""
    return best_run(
        network,
        lambda network, seed: start(network, name, "gelu", data[0], seed),
        data,
        rates,
        seeds,
        epochs,
        label=name,
    )


def print_tables(depth, measured, trained):
    """Both results as Markdown."""
    print(f"\n| after {depth} layers | {' | '.join(SCHEMES)} |")
    print("|---" * (len(SCHEMES) + 1) + "|")
    for label, runs in zip(LABELS, measured.values(), strict=True):
        cells = [cell(runs.get(name)) for name in SCHEMES]
        print(f"| {label} | {' | '.join(cells)} |")
    print("\n| initialization | learning rate | loss | test accuracy (range) |")
    print("|---|---|---|---|")
    for name, run in trained.items():
        last = 100 * run.scores[:, -1]
        print(
            f"| {name} | {run.rate:g} | {run.order:.3f} "
            f"| {last.mean():.0f} % ({last.min():.0f} to {last.max():.0f}) |"
        )


def cell(values):
    """The spread in the last layer."""
    if values is None:
        return "none is stable"
    return f"{values[-1]:.3g}" if math.isfinite(values[-1]) else "not in float32"


def plot(measured, trained, titles, path):
    """Draws both results, readable without colours too."""
    figure, panels = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    for panel, label, runs in zip(panels.flat, LABELS, measured.values(), strict=False):
        for name, values in runs.items():
            layers = range(1, len(values) + 1)
            every = max(1, np.isfinite(values).sum() // 8)
            panel.plot(layers, values, STYLES[name], markevery=every, label=name)
        panel.set(title=label, yscale="log", ylim=(0.8, 1e10), xlabel="layer")
        panel.grid(alpha=0.3)
    panel = panels[1, 2]
    for name, run in trained.items():
        curves = run.losses
        epochs = range(1, curves.shape[1] + 1)
        panel.plot(epochs, curves.mean(axis=0), STYLES[name], label=name)
    panel.set(title=titles[1], xlabel="epoch", ylabel="training loss", ylim=(0, 2.6))
    panel.grid(alpha=0.3)
    handles, labels = panel.get_legend_handles_labels()
    for row in panels:
        row[0].set_ylabel("largest / smallest\nroot mean square of a sample")
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(titles[0])
    figure.savefig(path, dpi=130)


def main():
    """Measures, trains, prints the tables and saves the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller comparison")
    parser.add_argument("--output", default="critical.png", help="where the PNG goes")
    arguments = parser.parse_args()
    depth, width, rates, seeds, epochs = 60, 128, LEARNING_RATES, [0, 1, 2], 20
    if arguments.quick:
        depth, width, rates, seeds, epochs = 6, 32, LEARNING_RATES[1:2], [0], 1

    begin = time.perf_counter()
    data = _common.load_data()
    measured = {
        activation: spreads(activation, depth, 2 * width, data[0][:64])
        for activation in ACTIVATIONS
    }
    print(f"Training on the {keras.backend.backend()} backend:", flush=True)
    network, _ = build("gelu", depth, width)
    _common.compile_network(network)
    trained = {
        name: train(network, name, data, rates, seeds, epochs)
        for name in INITIALIZATIONS
    }
    print_tables(depth, measured, trained)
    titles = (
        f"How far 64 samples are apart in {depth} layers of {2 * width} units",
        f"training: {depth} layers of {width} GELU",
    )
    plot(measured, trained, titles, arguments.output)
    seconds = time.perf_counter() - begin
    print(f"\n{seconds:.0f} s. The picture is in {arguments.output}.")


if __name__ == "__main__":
    main()
