"""Claims about recurrent layers that need no training."""

import keras
import numpy as np
import scipy.stats

from _claims.claim import SEEDS, Measured, claim, drawn, number, text_of, verdict
from keras_initx import (
    ChronoBias,
    GateIdentity,
    GateOrthogonal,
    SpectralRadius,
    UnitaryRNNCell,
)


@claim(
    "recurrent",
    "initializers.GateOrthogonal initializers.Blockwise",
    "Saxe et al. 2013",
    "Orthogonal recurrent matrices keep the norm: in an LSTM, the matrix of each gate",
    script="recurrent.py",
)
def gates_are_orthogonal(quick):
    """The singular values of the four gates of an LSTM."""
    units = 32 if quick else 256

    def values(initializer):
        gates = np.split(drawn(initializer, (units, 4 * units)), 4, axis=1)
        return np.linalg.svd(np.array(gates), compute_uv=False)

    ours = [values(GateOrthogonal(seed=seed)) for seed in SEEDS]
    keras_own = [values(keras.initializers.Orthogonal(seed=seed)) for seed in SEEDS]
    off = max(float(np.abs(found - 1).max()) for found in ours)
    low, high = (
        [float(part(found)) for found in keras_own] for part in (np.min, np.max)
    )
    return Measured(
        f"singular values 1 to {number(off, '.0e')}; Keras's orthogonal: from "
        f"{number(min(low), '.3f')} to {number(max(high))}",
        verdict(off < 1e-4),
        f"LSTM of {units} units",
        {"off": off, "keras_lowest": low, "keras_highest": high},
    )


@claim(
    "recurrent",
    "layers.UnitaryRNNCell initializers.Unitary",
    "Arjovsky et al. 2016",
    "A unitary transition keeps the norm of the state over any number of steps",
    script="recurrent.py",
)
def unitary_keeps_norm(quick):
    """The norm of a state after steps without inputs, and of one by Glorot's kernel."""
    units, steps = (16, 50) if quick else (128, 1000)
    ratios = []
    for seed in SEEDS:
        # modReLU adds its bias, which is 0, to the modulus: only W is at work.
        cell = UnitaryRNNCell(units, seed=seed)
        state = np.random.default_rng(seed).normal(size=(4, units)).astype("float32")
        zeros = keras.ops.zeros((4, steps, 1))
        h = keras.layers.RNN(cell)(zeros, initial_state=[state])
        h = keras.ops.convert_to_numpy(h)
        ratios.append(float(np.linalg.norm(h) / np.linalg.norm(state)))
    return Measured(
        f"norm times {text_of(ratios, '.4f')}",
        verdict(all(abs(ratio - 1) < 1e-2 for ratio in ratios)),
        f"{units} units, {steps} steps",
        {"ratio": ratios},
    )


@claim(
    "recurrent",
    "initializers.GateIdentity",
    "Le et al. 2015",
    "A recurrent network of rectifiers that starts as the identity adds up its inputs",
    script="recurrent.py",
)
def identity_adds_up(quick):
    """The last state, and the sum of positive inputs."""
    units, steps = (8, 20) if quick else (64, 1000)
    off = []
    for seed in SEEDS:
        x = np.random.default_rng(seed).random((2, steps, units)).astype("float32")
        layer = keras.layers.SimpleRNN(
            units,
            "relu",
            kernel_initializer="identity",
            recurrent_initializer=GateIdentity(),
        )
        y = keras.ops.convert_to_numpy(layer(x))
        total = x.astype("float64").sum(axis=1)
        off.append(float(np.abs(y - total).max() / total.max()))
    return Measured(
        f"the sum to {number(max(off), '.0e')}",
        verdict(max(off) < 1e-4),
        f"{units} units, {steps} steps",
        {"relative_error": off},
    )


@claim(
    "recurrent",
    "initializers.ChronoBias",
    "Tallec and Ollivier 2018",
    "Biases log U(1, T - 1) spread the forget times over the range up to T (eq. 16)",
    script="recurrent.py",
)
def chrono_times(quick):
    """The law of the forget times 1 / (1 - sigmoid(b)) of an LSTM."""
    units, longest = 2000, 100 if quick else 1000
    distances = []
    for seed in SEEDS:
        bias = drawn(ChronoBias(longest, seed=seed), (4 * units,))
        forget = bias[units : 2 * units]
        times = 1 + np.exp(forget)
        uniform = scipy.stats.uniform(2, longest - 2)
        distances.append(float(scipy.stats.kstest(times, uniform.cdf)[0]))
    # Of 2000 numbers from the law itself one in a thousand is further away.
    limit = scipy.stats.kstwo.isf(0.001, units)
    return Measured(
        f"within {number(max(distances), '.3f')} of the uniform law on [2, {longest}]",
        verdict(max(distances) < limit),
        f"LSTM of {units} units",
        {"kolmogorov_distance": distances},
    )


@claim(
    "recurrent",
    "initializers.SpectralRadius",
    "Jaeger 2001",
    "Below a spectral radius of 1 the network forgets its first state, above 1 it need "
    "not",
)
def echo_state(quick):
    """How far two first states are apart after steps of tanh with the same inputs."""
    units, steps = (64, 60) if quick else (400, 500)
    found = {}
    for radius in (0.8, 1.1, 1.5):
        found[radius] = []
        for seed in SEEDS:
            random = np.random.default_rng(seed)
            kernel = drawn(SpectralRadius(radius, seed=seed), (units, units))
            x, y = random.normal(size=(2, units))
            start = np.linalg.norm(x - y)
            for _ in range(steps):
                shared = 0.1 * random.normal(size=units)
                x, y = np.tanh(x @ kernel + shared), np.tanh(y @ kernel + shared)
            found[radius].append(float(np.linalg.norm(x - y) / start))
    text = "; ".join(
        f"radius {radius}: {text_of(values, '.0e')}" for radius, values in found.items()
    )
    forgets = max(found[0.8]) < 1e-3
    return Measured(
        f"distance times: {text}",
        verdict(forgets and min(found[1.5]) > 0.1, forgets),
        f"{units} units of tanh, {steps} steps",
        {str(radius): values for radius, values in found.items()},
    )
