"""One deep network, two starts, one picture: a minute.

50 convolutions with tanh learn scikit-learn's handwritten digits, without normalization
and without shortcuts. They start from Keras's default, and on the edge of chaos with
delta-orthogonal kernels (`keras_initx.critical`). Nothing else differs.

    KERAS_BACKEND=jax python quickstart.py
    KERAS_BACKEND=torch python quickstart.py --quick --output curves.png

The backends are `jax`, `tensorflow` and `torch`. `--quick` trains for one epoch.
"""

import argparse
import functools

from _progress import shown

with shown("Starting Keras"):
    import _common
    import _pictures
    import keras
    import matplotlib.pyplot as plt

    import keras_initx

DEPTH = 50
LEARNING_RATE = 1e-3
STARTS = {
    "Keras's default": keras_initx.reinitialize,
    "orthogonal_delta": functools.partial(
        keras_initx.critical, initializer="orthogonal_delta"
    ),
}


def network():
    """A convolution that makes the image 4 x 4, then equal ones."""
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 2, strides=2, activation="tanh"),
    ]
    for _ in range(DEPTH):
        layers.append(keras.layers.Conv2D(16, 3, padding="same", activation="tanh"))
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(10)])


class Told(keras.callbacks.Callback):
    """Tells where the training stands."""

    def __init__(self, say):
        super().__init__()
        self.say = say
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Epochs count from one."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        """The loss so far."""
        self.say(f"epoch {self.epoch}, loss {float(logs['loss']):.3f}")


def plot(curves, path):
    """Draws the test accuracy by epoch, readable without colours too."""
    plt.rcParams.update(_pictures.ON_ANY_PAGE)
    figure, axes = plt.subplots(figsize=(7, 3.6))
    for (name, curve), style in zip(curves.items(), ("s--", "o-"), strict=True):
        epochs = range(1, len(curve) + 1)
        axes.plot(epochs, [100 * accuracy for accuracy in curve], style, label=name)
    axes.axhline(10, color="gray", linewidth=1, linestyle=":", label="chance")
    axes.set(
        title=f"{DEPTH} convolutions, tanh, no normalization, no shortcuts",
        xlabel="epoch",
        ylabel="test accuracy (%)",
        ylim=(0, 100),
    )
    axes.grid()
    axes.legend(loc="center right")
    figure.tight_layout()
    figure.savefig(path, dpi=150, transparent=True)


def main():
    """Trains from both starts, and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one epoch")
    parser.add_argument("--output", default="quickstart.png", help="where the PNG goes")
    arguments = parser.parse_args()
    epochs = 1 if arguments.quick else 8

    data = _common.load_data()
    keras.utils.set_random_seed(0)
    with shown(f"Building {DEPTH} convolutions on {keras.backend.backend()}"):
        model = network()
        _common.compile_network(model)
    curves = {}
    for name, start in STARTS.items():
        with shown(f"{name}: drawing the weights"):
            start(model, seed=0)
            _common.restart(model, model.get_weights(), LEARNING_RATE)
        with shown(f"{name}: training") as say:
            history = _common.fit(model, data, epochs, [Told(say)])
        curves[name] = history["val_accuracy"]
        print(f"{name}: test accuracy {curves[name][-1]:.0%}\n", flush=True)
    plot(curves, arguments.output)
    print(f"The learning curves are in {arguments.output}.")


if __name__ == "__main__":
    main()
