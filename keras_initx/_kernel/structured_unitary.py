"""Arjovsky's unitary matrices: a product of seven cheap ones.

    W = D_3 R_2 F^-1 D_2 P R_1 F D_1

D_1, D_2, D_3 are diagonal and hold the phases e^(i w). R_1, R_2 are the reflections
I - 2 v v* / (v* v). F is the unitary discrete Fourier transform, and P a permutation.
For n complex numbers these are 3 n + 4 n real parameters, and W is unitary for any of
them. To apply W takes n log(n) steps. (Arjovsky, Shah and Bengio 2016, section 4.)
"""

import dataclasses
import math
from typing import Any

import numpy as np

from keras_initx._backend.seeds import split
from keras_initx._kernel.arrays import cast, namespace
from keras_initx._kernel.random import uniform
from keras_initx._kernel.unitary import times_phase


@dataclasses.dataclass(frozen=True)
class StructuredUnitary:
    """The parameters of W.

    Attributes:
        phases: Of shape `(3, n)`. The angles w of D_1, D_2 and D_3.
        reflections: Of shape `(2, 2 * n)`. The real parts of v, then the imaginary
            ones, for R_1 and R_2.
        permutation: Integers of shape `(n,)`. Entry j of P z is z[permutation[j]].
    """

    phases: Any
    reflections: Any
    permutation: Any

    def __call__(self, real: Any, imaginary: Any) -> tuple[Any, Any]:
        """W z, for vectors z along the last axis."""
        xp = namespace(self.phases)
        z = times_phase(real, imaginary, self.phases[0])
        z = _fourier(z)
        z = _reflected(z, self.reflections[0])
        z = tuple(xp.take(part, self.permutation, axis=-1) for part in z)
        z = times_phase(*z, self.phases[1])
        z = _inverse_fourier(z)
        z = _reflected(z, self.reflections[1])
        return times_phase(*z, self.phases[2])


def draw(size: int, dtype: str, seed: Any) -> StructuredUnitary:
    """Random parameters: w ~ U[-pi, pi], the parts of v ~ U[-1, 1], any permutation."""
    phase_seed, reflection_seed, permutation_seed = split(seed, 3)
    phases = math.pi * (2 * uniform((3, size), phase_seed) - 1)
    reflections = 2 * uniform((2, 2 * size), reflection_seed) - 1
    return StructuredUnitary(
        cast(phases, dtype),
        cast(reflections, dtype),
        draw_permutation(size, permutation_seed),
    )


def draw_permutation(size: int, seed: Any) -> Any:
    """A random permutation of `size` numbers, of dtype int32."""
    keys = uniform((size,), seed)
    return cast(namespace(keys).argsort(keys), "int32")


def _fourier(z: tuple[Any, Any]) -> tuple[Any, Any]:
    """The unitary discrete Fourier transform along the last axis."""
    xp, scale = namespace(z[0]), 1 / math.sqrt(z[0].shape[-1])
    if xp is np:
        transformed = np.fft.fft(z[0] + 1j * z[1])
        parts = (transformed.real, transformed.imag)
    else:
        parts = xp.fft(z)
    return scale * parts[0], scale * parts[1]


def _inverse_fourier(z: tuple[Any, Any]) -> tuple[Any, Any]:
    """Its inverse, by way of the conjugate."""
    real, imaginary = _fourier((z[0], -z[1]))
    return real, -imaginary


def _reflected(z: tuple[Any, Any], v: Any) -> tuple[Any, Any]:
    """(I - 2 v v* / (v* v)) z along the last axis."""
    xp, (x, y) = namespace(z[0]), z
    half = v.shape[-1] // 2
    a, b = v[:half], v[half:]
    factor = 2 / xp.sum(v * v)
    # v* z = (a - b i) . (x + y i)
    real = factor * xp.sum(a * x + b * y, axis=-1, keepdims=True)
    imaginary = factor * xp.sum(a * y - b * x, axis=-1, keepdims=True)
    return x - (a * real - b * imaginary), y - (a * imaginary + b * real)
