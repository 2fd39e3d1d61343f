"""What the second panel shows: the singular values of a kernel, or what is nearest."""

import dataclasses
from collections.abc import Callable

import numpy as np

# The frequencies of a convolution on an image of so many pixels.
IMAGE_SIZE = 8


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """Numbers of a weight, in falling order, and what they are called."""

    label: str
    compute: Callable

    def of(self, weight):
        """The numbers, in falling order."""
        return np.sort(np.ravel(self.compute(weight.astype("float64"))))[::-1]


def _singular_values(kernel):
    """Of a matrix; of a convolution those at each frequency of an image."""
    if kernel.ndim == 2:
        return np.linalg.svd(kernel, compute_uv=False)
    padded = [max(IMAGE_SIZE, size) for size in kernel.shape[:-2]]
    symbol = np.fft.fftn(kernel, padded, axes=range(kernel.ndim - 2))
    return np.linalg.svd(symbol, compute_uv=False)


def _of_gates(kernel):
    """Those of each gate of a recurrent kernel."""
    gates = np.split(kernel, kernel.shape[1] // kernel.shape[0], axis=1)
    return [np.linalg.svd(gate, compute_uv=False) for gate in gates]


def _of_channels(kernel):
    """The gain of each channel of a depthwise convolution at each frequency."""
    padded = [max(IMAGE_SIZE, size) for size in kernel.shape[:-2]]
    return np.abs(np.fft.fftn(kernel, padded, axes=range(kernel.ndim - 2)))


def _steps_kept(bias):
    """How many steps a unit of an LSTM keeps its state: 1 / (1 - sigmoid(b))."""
    forget = np.split(bias, 4)[1]
    return 1 + np.exp(forget)


singular_values = Spectrum("singular values", _singular_values)
of_gates = Spectrum("singular values of each gate", _of_gates)
of_channels = Spectrum("gain of each channel", _of_channels)
steps_kept = Spectrum("steps that a unit keeps its state", _steps_kept)
sorted_values = Spectrum("the biases, sorted", lambda bias: bias)
probability = Spectrum(
    "predicted probability of the rare class", lambda bias: 1 / (1 + np.exp(-bias))
)
