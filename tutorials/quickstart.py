"""Two networks so deep that the usual initializers fail, and schemes that train them.

Both learn scikit-learn's handwritten digits, without normalization and without skip
connections. Within each job only the initializers differ:

1.  100 convolutions with tanh: Keras's defaults beside `orthogonal_delta` at its
    critical gain.
2.  50 dense layers with ReLU: `he_normal` beside `random_walk` and `looks_linear`.

Each contender tries the same learning rates and keeps the one with the lowest training
loss. The script prints a table, and draws the test accuracy after each epoch:

    KERAS_BACKEND=jax python quickstart.py
    KERAS_BACKEND=torch python quickstart.py --quick --output curves.png

The backends are `jax`, `tensorflow` and `torch`. `--quick` tries one learning rate, for
one epoch.
"""

import argparse
import math
import time

import _common
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_initx

LEARNING_RATES = [1e-3, 1e-2, 1e-1]


def critical_point(depth):
    """The gain and the bias that carry a signal through `depth` layers with tanh.

    Pre-activations keep their variance q, and gradients their norm, if

        gain^2 = 1 / E[tanh'(sqrt(q) z)^2]
        bias_stddev^2 = q - gain^2 E[tanh(sqrt(q) z)^2]

    with z ~ N(0, 1). The deeper the network, the smaller is the right q: 1 / depth.
    """
    q = 1 / depth
    z, weights = np.polynomial.hermite_e.hermegauss(100)
    weights = weights / weights.sum()
    tanh = np.tanh(math.sqrt(q) * z)
    gain = 1 / math.sqrt(weights @ (1 - tanh**2) ** 2)
    bias_stddev = math.sqrt(q - gain**2 * (weights @ tanh**2))
    return gain, bias_stddev


def convolutional_network(scheme, depth):
    """A convolution that makes the image 4 x 4, then `depth` equal ones, with tanh."""
    gain, bias_stddev = critical_point(depth)
    network = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 2, strides=2, activation="tanh"),
    ]
    for _ in range(depth):
        initializers = {}  # Keras's defaults are "glorot_uniform" and "zeros".
        if scheme == "orthogonal_delta":
            initializers = {
                "kernel_initializer": keras_initx.OrthogonalDelta(gain=gain),
                "bias_initializer": keras.initializers.RandomNormal(stddev=bias_stddev),
            }
        network.append(
            keras.layers.Conv2D(
                16, 3, padding="same", activation="tanh", **initializers
            )
        )
    return keras.Sequential([*network, keras.layers.Flatten(), keras.layers.Dense(10)])


def dense_network(scheme, depth):
    """`depth` dense layers with ReLU, and a linear one for the ten classes."""

    def kernel(mirror):
        if scheme == "looks_linear":
            return keras_initx.LooksLinear(mirror=mirror)
        return scheme

    network = [keras.Input((8, 8, 1)), keras.layers.Flatten()]
    for mirror in ["output"] + ["both"] * (depth - 1):
        network.append(
            keras.layers.Dense(64, activation="relu", kernel_initializer=kernel(mirror))
        )
    network.append(keras.layers.Dense(10, kernel_initializer=kernel("input")))
    return keras.Sequential(network)


def train(build, scheme, depth, data, learning_rates, epochs):
    """Trains from the same weights at each rate; returns the run of lowest loss.

    The first loss is that of all training images before training, the last one is the
    mean over the last epoch.
    """
    x_train, y_train, x_test, y_test = data
    start = time.perf_counter()
    keras.utils.set_random_seed(0)
    network = build(scheme, depth)
    _common.compile_network(network)
    weights = network.get_weights()
    first_loss, _ = network.evaluate(x_train, y_train, _common.BATCH_SIZE, verbose=0)
    _, first_accuracy = network.evaluate(x_test, y_test, _common.BATCH_SIZE, verbose=0)

    runs = []
    for learning_rate in learning_rates:
        _common.restart(network, weights, learning_rate)
        history = _common.fit(network, data, epochs)
        run = {
            "scheme": scheme,
            "depth": depth,
            "learning_rate": learning_rate,
            "first_loss": first_loss,
            "last_loss": history["loss"][-1],
            "accuracies": [first_accuracy, *history["val_accuracy"]],
            "failed": not math.isfinite(history["loss"][-1]),
        }
        runs.append(run)
        print(
            f"  {scheme}, learning rate {learning_rate:g}: "
            f"loss {first_loss:.3f} -> {run['last_loss']:.3f}"
            f"{' (failed)' if run['failed'] else ''}, "
            f"test accuracy {run['accuracies'][-1]:.1%}",
            flush=True,
        )
    best = min(runs, key=lambda run: math.inf if run["failed"] else run["last_loss"])
    return {**best, "seconds": time.perf_counter() - start}


def print_table(results):
    """One line for each contender, at its own rate; the seconds are for all rates."""
    print(
        "\nscheme            depth  learning rate  first loss  last loss"
        "  test accuracy  seconds"
    )
    for run in results:
        print(
            f"{run['scheme']:<16}  {run['depth']:>5}  {run['learning_rate']:>13g}"
            f"  {run['first_loss']:>10.3f}  {run['last_loss']:>9.3f}"
            f"  {run['accuracies'][-1]:>13.1%}  {run['seconds']:>7.0f}"
        )
    print(
        """
Chance is 10 %. Each convolution that starts with Keras's defaults shrinks its input, so
that next to nothing of the image arrives at the end; orthogonal_delta lets it through.
he_normal and random_walk set the scale of the signal, but at any scale many ReLU layers
turn all images into nearly the same direction; looks_linear starts as a linear
function, which keeps them apart."""
    )


def plot(convolutional, dense, path):
    """Draws the test accuracy after each epoch, readable without colours too."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for panel, runs in zip(panels, [convolutional, dense], strict=True):
        for run, style in zip(reversed(runs), ["o-", "s--", "^:"], strict=False):
            label = f"{run['scheme']} (learning rate {run['learning_rate']:g})"
            panel.plot([100 * a for a in run["accuracies"]], style, label=label)
        panel.axhline(10, color="gray", linewidth=1, label="chance")
        panel.set(xlabel="epoch (0: before training)", ylim=(0, 100))
        panel.set_xticks(range(len(runs[0]["accuracies"])))
        panel.grid(alpha=0.3)
        panel.legend(loc="center right", bbox_to_anchor=(1, 0.55))
    panels[0].set_ylabel("test accuracy (%)")
    panels[0].set_title(f"{convolutional[0]['depth']} convolutions with tanh")
    panels[1].set_title(f"{dense[0]['depth']} dense layers with ReLU")
    figure.suptitle("Handwritten digits, without normalization or skip connections")
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main():
    """Runs both jobs, prints the table and saves the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one rate, one epoch")
    parser.add_argument("--output", default="quickstart.png", help="where the PNG goes")
    arguments = parser.parse_args()
    learning_rates = LEARNING_RATES[:1] if arguments.quick else LEARNING_RATES
    epochs = 1 if arguments.quick else 8

    data = _common.load_data()
    print(f"Training on the {keras.backend.backend()} backend:", flush=True)
    convolutional = [
        train(convolutional_network, scheme, 100, data, learning_rates, epochs)
        for scheme in ["glorot_uniform", "orthogonal_delta"]
    ]
    dense = [
        train(dense_network, scheme, 50, data, learning_rates, epochs)
        for scheme in ["he_normal", "random_walk", "looks_linear"]
    ]
    print_table(convolutional + dense)
    plot(convolutional, dense, arguments.output)
    print(f"\nThe learning curves are in {arguments.output}.")


if __name__ == "__main__":
    main()
