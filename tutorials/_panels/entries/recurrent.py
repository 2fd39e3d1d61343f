"""Initializers of recurrent layers, and the constraint that keeps a kernel orthogonal.

Keras makes the recurrent kernel orthogonal, all gates as one matrix, and sets the bias
of an LSTM's forget gate to 1.
"""

from _panels.entry import Entry, redraw
from _panels.networks.recurrent import add, remember
from _panels.spectrum import of_gates, steps_kept
from keras_initx import initializers

KERNEL, BIAS = "memory/*/recurrent_kernel", "memory/*/bias"
SIMPLE_STEPS, LSTM_STEPS = 50, 60


def simple():
    """Units of tanh that have to remember."""
    return remember("simple", SIMPLE_STEPS)


def constrained():
    """The same, whose recurrent kernel stays orthogonal."""
    return remember("simple", SIMPLE_STEPS, is_constrained=True)


def lstm():
    """Longer than a bias of 1 remembers."""
    return remember("lstm", LSTM_STEPS)


def short_lstm():
    """About as long as a bias of 1 remembers."""
    return remember("lstm", 20)


RECURRENT = {
    "GateOrthogonal": Entry(
        short_lstm,
        redraw({KERNEL: "gate_orthogonal"}),
        KERNEL,
        default="orthogonal",
        spectrum=of_gates,
    ),
    "GateIdentity": Entry(
        lambda: add(30),
        redraw({KERNEL: "gate_identity"}),
        KERNEL,
        default="orthogonal",
    ),
    "GateBias": Entry(
        lstm,
        redraw({BIAS: initializers.GateBias(4.0)}),
        BIAS,
        default="unit_forget_bias",
        spectrum=steps_kept,
    ),
    "ChronoBias": Entry(
        lstm,
        redraw({BIAS: initializers.ChronoBias(LSTM_STEPS)}),
        BIAS,
        default="unit_forget_bias",
        spectrum=steps_kept,
    ),
    "Unitary": Entry(simple, redraw({KERNEL: "unitary"}), KERNEL, default="orthogonal"),
    "SpectralRadius": Entry(
        simple,
        redraw({KERNEL: initializers.SpectralRadius(1.1)}),
        KERNEL,
        default="orthogonal",
    ),
    "Orthonormal": Entry(
        constrained,
        redraw({KERNEL: "gate_orthogonal"}),
        KERNEL,
        default="no constraint",
        plain_task=simple,
        steps=150,
        is_trained=True,
    ),
}
