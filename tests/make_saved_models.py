"""Makes the saved models in `tests/saved`, one a backend, and what they compute.

The tests load each of them on each backend: they stand for the files of users, so make
them again only if a change of the format is meant. From the root of the repository:

    for backend in jax tensorflow torch; do
        KERAS_BACKEND=$backend python tests/make_saved_models.py
    done
"""

from pathlib import Path

import keras
import numpy as np

from keras_initx import initializers, layers

SAVED = Path(__file__).parent / "saved"


def make_model() -> keras.Model:
    """A small model that uses each class."""
    base = initializers.RandomWalk(activation="linear", seed=2)
    return keras.Sequential(
        [
            keras.Input((4, 2)),
            *recurrent_layers(),
            *small_layers(),
            keras.layers.Conv1D(
                4, 3, kernel_initializer=initializers.OrthogonalDelta(1.5, seed=1)
            ),
            layers.CReLU(name="crelu"),
            keras.layers.Conv1D(
                4, 2, kernel_initializer=initializers.LooksLinear(base, seed=3)
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(
                4,
                kernel_initializer=initializers.Sparse(0.5, seed=4),
                activation="relu",
            ),
            keras.layers.Dense(
                4, kernel_initializer=initializers.RandomWalk(gain=1.2, seed=5)
            ),
            keras.layers.Dense(
                2,
                kernel_initializer="haar_orthogonal",
                bias_initializer=initializers.PriorBias([0.2, 0.8]),
            ),
        ]
    )


def small_layers() -> list[keras.Layer]:
    """Layers that use the small classes. They keep four steps of four channels."""
    array = np.linspace(-1, 1, 16).reshape(1, 4, 4)
    convolutions = {
        "fan_scaled": initializers.FanScaled(gain="relu", seed=10),
        "icnr": initializers.ICNR("fan_scaled", seed=11),
        "dirac": "dirac",
        "siren": initializers.Siren(omega=1.0, seed=12),
        "zero": "zero_hadamard",
        "array": initializers.FromArray(array),
    }
    return [
        *(
            keras.layers.Conv1D(
                4,
                1,
                kernel_initializer=initializer,
                bias_initializer=initializers.TorchBias(4, seed=13),
                name=name,
            )
            for name, initializer in convolutions.items()
        ),
        keras.layers.Conv1DTranspose(
            4, 1, kernel_initializer="bilinear", name="bilinear"
        ),
    ]


def recurrent_layers() -> list[keras.Layer]:
    """Layers that use each class for recurrent layers."""
    sequences = {"return_sequences": True}
    blockwise = initializers.Blockwise("random_walk", seed=6)
    return [
        keras.layers.LSTM(
            4,
            recurrent_initializer="gate_orthogonal",
            recurrent_constraint="orthonormal",
            bias_initializer=initializers.ChronoBias(9, seed=7),
            unit_forget_bias=False,
            **sequences,
        ),
        keras.layers.GRU(
            4,
            recurrent_initializer=blockwise,
            bias_initializer=initializers.GateBias(2.0, layer="gru"),
            **sequences,
        ),
        keras.layers.SimpleRNN(
            4, "relu", recurrent_initializer=initializers.GateIdentity(), **sequences
        ),
        keras.layers.SimpleRNN(4, recurrent_initializer="unitary", **sequences),
        keras.layers.SimpleRNN(
            4, recurrent_initializer=initializers.SpectralRadius(seed=8), **sequences
        ),
        keras.layers.RNN(layers.UnitaryRNNCell(4, seed=9), **sequences),
    ]


def main() -> None:
    """Saves the model of the running backend, and adds its output to the others."""
    backend = keras.backend.backend()
    keras.utils.set_random_seed(0)
    inputs = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    model = make_model()
    SAVED.mkdir(exist_ok=True)
    model.save(SAVED / f"{backend}.keras")
    file = SAVED / "expected.npz"
    outputs = dict(np.load(file)) if file.exists() else {}
    outputs.update({"inputs": inputs, backend: model.predict(inputs, verbose=0)})
    np.savez(file, **outputs)


if __name__ == "__main__":
    main()
