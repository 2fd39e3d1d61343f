"""A transformer without normalization and without warm-up, by T-Fixup.

An encoder and a decoder of 20 layers each learn to reverse a sequence of digits. There
is no `LayerNormalization`, and Adam runs at its full learning rate from the first step.
The script trains the same network twice, from the kernels that Keras draws (Glorot) and
from those of `keras_initx.schemes.t_fixup` (Huang et al. 2020), from three seeds. It
prints the loss and draws it:

    KERAS_BACKEND=jax python t_fixup.py
    KERAS_BACKEND=torch python t_fixup.py --quick --output curves.png

`--quick` trains one layer from one seed for 20 steps.
"""

import argparse
import math
import time

import _common  # noqa: F401  (sets the environment before Keras is imported)
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_initx

WORDS, LENGTH, WIDTH, HEADS = 10, 8, 32, 2
BATCH_SIZE, LEARNING_RATE = 64, 1e-3
UNIFORM = math.log(WORDS)
START = WORDS


def positions():
    """Sines and cosines of each position, of shape (LENGTH, WIDTH)."""
    rates = 10000.0 ** (-np.arange(0, WIDTH, 2) / WIDTH)
    angles = np.arange(LENGTH)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype("float32")


def attend(x, memory, **call):
    """Attention in a residual branch."""
    attention = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS)
    return x + attention(x, memory, **call)


def feed_forward(x):
    """The other residual branch of a transformer layer."""
    hidden = keras.layers.Dense(4 * WIDTH, "relu")(x)
    return x + keras.layers.Dense(WIDTH)(hidden)


def build(depth):
    """An encoder and a decoder of `depth` layers each; the output is logits."""
    source = keras.Input((LENGTH,), dtype="int32")
    target = keras.Input((LENGTH,), dtype="int32")
    # As in the paper, embeddings are small, and multiplied by sqrt(WIDTH).
    embedding = keras.layers.Embedding(WORDS + 1, WIDTH)
    memory = embedding(source) * WIDTH**0.5 + positions()
    for _ in range(depth):
        memory = feed_forward(attend(memory, memory))
    x = embedding(target) * WIDTH**0.5 + positions()
    for _ in range(depth):
        x = attend(x, x, use_causal_mask=True)
        x = feed_forward(attend(x, memory))
    return keras.Model([source, target], keras.layers.Dense(WORDS)(x))


def batches(steps, seed):
    """Random digits; the decoder sees those before the one that it has to tell."""
    random = np.random.default_rng(seed)
    digits = random.integers(0, WORDS, (steps, BATCH_SIZE, LENGTH)).astype("int32")
    answers = digits[..., ::-1]
    starts = np.full((*digits.shape[:2], 1), START, "int32")
    seen = np.concatenate([starts, answers[..., :-1]], axis=-1)
    return [
        ((source, before), after)
        for source, before, after in zip(digits, seen, answers, strict=True)
    ]


def train(network, steps, seed):
    """The loss of each step."""
    for variable in network.optimizer.variables:
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
    network.optimizer.learning_rate = LEARNING_RATE
    losses = []
    for inputs, targets in batches(steps, seed):
        network.reset_metrics()
        losses.append(float(network.train_on_batch(inputs, targets)))
    return losses


def starts(depth, seed):
    """The weights that training starts from, by the name of the scheme."""
    keras.utils.set_random_seed(seed)
    network = build(depth)
    weights = {"Glorot": network.get_weights()}
    report = keras_initx.schemes.t_fixup(network)
    weights["T-Fixup"] = network.get_weights()
    return weights, report


def plot(curves, depth, path):
    """Draws the loss of each step, readable without colours too."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for (name, runs), style in zip(curves.items(), ["--", "-"], strict=True):
        diverges = not np.isfinite(runs).all()
        label = f"{name} (diverges)" if diverges else name
        for run, losses in enumerate(runs):
            axes.plot(
                losses,
                style,
                color="C0" if name == "Glorot" else "C1",
                label=label if run == 0 else None,
            )
    axes.axhline(UNIFORM, color="gray", linewidth=1, label="uniform guess")
    axes.set(
        xlabel="step of Adam, without warm-up",
        ylabel="cross-entropy",
        ylim=(0, 2 * UNIFORM),
        title=f"{depth} + {depth} transformer layers without normalization",
    )
    axes.legend()
    figure.savefig(path, dpi=150)


def main():
    """Trains both, prints the losses and saves the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller comparison")
    parser.add_argument("--output", default="t_fixup.png", help="where the PNG goes")
    arguments = parser.parse_args()
    depth, steps, seeds = (1, 20, [0]) if arguments.quick else (20, 300, [0, 1, 2])

    begin = time.perf_counter()
    print(f"Training on the {keras.backend.backend()} backend:", flush=True)
    network = build(depth)
    network.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.optimizer.build(network.trainable_variables)
    curves = {"Glorot": [], "T-Fixup": []}
    for seed in seeds:
        weights, report = starts(depth, seed)
        for name, losses in curves.items():
            network.set_weights(weights[name])
            losses.append(train(network, steps, seed))
            print(
                f"  {name}, seed {seed}: loss {losses[-1][0]:.3g} at first, "
                f"{np.mean(losses[-1][-10:]):.3g} at the end, a uniform guess has "
                f"{UNIFORM:.3g}",
                flush=True,
            )
    print(
        f"\n{len(report.branches)} residual branches: the first encoder branch times "
        f"{report[0].factor:.3g}, the last decoder branch times "
        f"{report[-1].factor:.3g}."
    )
    plot(curves, depth, arguments.output)
    seconds = time.perf_counter() - begin
    print(f"{seconds:.0f} s. The learning curves are in {arguments.output}.")


if __name__ == "__main__":
    main()
