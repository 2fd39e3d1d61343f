"""Residual networks without normalization, at any depth, by Fixup.

A residual network of 3 x 3 convolutions, built as in the paper (Zhang et al. 2019): one
trainable factor in each branch (`keras_initx.layers.Scale`), one trainable offset
before each convolution and activation (`keras_initx.layers.Shift`), and no
normalization. It learns scikit-learn's digits for one epoch at one learning rate, once
from He's kernels, and once from those of `keras_initx.schemes.fixup`. The script prints
a table of the depths as Markdown, and draws it:

    KERAS_BACKEND=jax python fixup.py
    KERAS_BACKEND=torch python fixup.py --depths 10 100 1000 --output depths.png

`--quick` trains 3 blocks. A graph of 1000 blocks takes JAX and TensorFlow many
minutes to compile; PyTorch compiles nothing.
"""

import argparse
import time

import _common
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_initx
from keras_initx.layers import Scale, Shift

WIDTH = 16
LEARNING_RATE = 0.03
# The paper trains the factors and offsets at a tenth of the learning rate.
SLOWER = 0.1


class Block(keras.layers.Layer):
    """x + Shift(Scale(conv(Shift(relu(Shift(conv(Shift(x))))))))."""

    def __init__(self):
        super().__init__()
        self.branch = keras.Sequential(
            [
                Shift(gradient_scale=SLOWER),
                convolution(),
                Shift(gradient_scale=SLOWER),
                keras.layers.ReLU(),
                Shift(gradient_scale=SLOWER),
                convolution(),
                Scale(gradient_scale=SLOWER),
                Shift(gradient_scale=SLOWER),
            ]
        )

    def call(self, x):
        """Adds the branch."""
        return x + self.branch(x)


class Network(keras.Model):
    """A convolution, `depth` residual blocks, and 10 logits."""

    def __init__(self, depth):
        super().__init__()
        self.stem = convolution(strides=2)
        self.blocks = [Block() for _ in range(depth)]
        self.shift = Shift(gradient_scale=SLOWER)
        self.head = keras.layers.Dense(10)

    def call(self, x):
        """The logits."""
        x = keras.ops.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = keras.ops.reshape(keras.ops.relu(x), (-1, 16 * WIDTH))
        return self.head(self.shift(x))


def convolution(strides=1):
    """A convolution with He's kernel and without a bias."""
    return keras.layers.Conv2D(
        WIDTH,
        3,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )


def train(depth, scheme, data):
    """One epoch. Returns the first updates of the function and the test accuracy."""
    keras.utils.set_random_seed(0)
    network = Network(depth)
    x, y = data[0], data[1]
    network(x[:2])
    if scheme == "Fixup":
        # This is all that it takes.
        keras_initx.schemes.fixup(network, x[:2])
    _common.compile_network(network)
    network.optimizer.learning_rate = LEARNING_RATE
    updates, before = [], network.predict_on_batch(x[:200])
    for step in range(3):
        place = slice(step * _common.BATCH_SIZE, (step + 1) * _common.BATCH_SIZE)
        network.train_on_batch(x[place], y[place])
        after = network.predict_on_batch(x[:200])
        updates.append(float(np.sqrt(np.mean((after - before) ** 2))))
        before = after
    history = _common.fit(network, data, 1)
    result = {
        "update": updates[2],
        "loss": history["loss"][-1],
        "accuracy": history["val_accuracy"][-1],
    }
    print(
        f"  {scheme}, {depth} blocks: the third step changes the logits by "
        f"{result['update']:.2g}, loss {result['loss']:.3g}, test accuracy "
        f"{result['accuracy']:.1%}",
        flush=True,
    )
    return result


def plot(results, path):
    """Draws the accuracy after one epoch by depth, readable without colours too."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for (scheme, runs), style in zip(results.items(), ["o-", "s--"], strict=True):
        accuracies = [100 * run["accuracy"] for run in runs.values()]
        axes.plot(list(runs), accuracies, style, label=scheme)
    axes.axhline(10, color="gray", linewidth=1, label="chance")
    axes.set(
        xscale="log",
        xticks=list(runs),
        xticklabels=list(runs),
        xlabel="residual blocks, without normalization",
        ylabel="test accuracy after one epoch (%)",
        ylim=(0, 100),
    )
    axes.minorticks_off()
    axes.legend()
    figure.savefig(path, dpi=150)


def main():
    """Trains each depth with both schemes, prints the table and saves the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 blocks")
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--output", default="fixup.png", help="where the PNG goes")
    arguments = parser.parse_args()
    depths = [3] if arguments.quick else arguments.depths

    start = time.perf_counter()
    data = _common.load_data()
    print(f"Training on the {keras.backend.backend()} backend:", flush=True)
    results = {
        scheme: {depth: train(depth, scheme, data) for depth in depths}
        for scheme in ("Fixup", "He")
    }
    print("\n| blocks | Fixup: third update | Fixup: accuracy | He: accuracy |")
    print("|---|---|---|---|")
    for depth in depths:
        fixup, he = results["Fixup"][depth], results["He"][depth]
        he_cell = f"{he['accuracy']:.0%}" if np.isfinite(he["loss"]) else "diverges"
        print(
            f"| {depth} | {fixup['update']:.2f} | {fixup['accuracy']:.0%} | {he_cell} |"
        )
    plot(results, arguments.output)
    seconds = time.perf_counter() - start
    print(f"\n{seconds:.0f} s. The picture is in {arguments.output}.")


if __name__ == "__main__":
    main()
