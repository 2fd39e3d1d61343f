"""Haar-random unitary matrices, in real form.

A complex number a + b i is the real matrix [[a, b], [-b, a]], which acts on rows
(x, y) as the number acts on x + y i. So a complex matrix of shape (n, n) is a real one
of shape (2 n, 2 n), and a unitary matrix is an orthogonal one.

The Q of a complex Gaussian matrix is a product of complex reflections (Mezzadri 2007):

    U = H_1 H_2 ... H_n D        H_j = I - 2 v_j v_j* / (v_j* v_j)

A factor of absolute value 1 in v_j changes nothing. So the first entry of v_j may be
real, and D holds independent random phases. In real form, with the two rows and columns
of a number side by side, H_j is then the product of two real reflections whose vectors
are orthogonal, and all vectors together are a lower trapezoid: just what the real
engine takes.
"""

import math
from typing import Any

from keras_initx._backend.seeds import split
from keras_initx._kernel.arrays import cast, namespace
from keras_initx._kernel.haar import reflect
from keras_initx._kernel.random import normal, uniform


def real_form(real: Any, imaginary: Any) -> Any:
    """The matrix [[real, imaginary], [-imaginary, real]], which acts on rows [x, y]."""
    xp = namespace(real)
    return xp.concatenate(
        [
            xp.concatenate([real, imaginary], axis=-1),
            xp.concatenate([-imaginary, real], axis=-1),
        ],
        axis=-2,
    )


def haar_unitary(size: int, dtype: str, seed: Any) -> Any:
    """A Haar-random unitary matrix of shape `(size, size)`, in real form."""
    vector_seed, phase_seed = split(seed, 2)
    gaussian = normal((2, size, size), dtype, vector_seed)
    xp = namespace(gaussian)
    real, imaginary = gaussian[0], gaussian[1]
    # The first entry of each vector gets its modulus.
    identity = xp.eye(size, dtype=dtype)
    modulus = xp.sqrt(real**2 + imaginary**2)
    real = real + identity * (modulus - real)
    imaginary = imaginary - identity * imaginary
    q = reflect(_interleaved(real, imaginary), 1.0)
    real, imaginary = q[::2, ::2], q[::2, 1::2]
    angle = 2 * math.pi * cast(uniform((size,), phase_seed), dtype)
    return real_form(*times_phase(real, imaginary, angle))


def times_phase(real: Any, imaginary: Any, angle: Any) -> tuple[Any, Any]:
    """The complex numbers, multiplied by e^(i angle) along the last axis."""
    xp = namespace(angle)
    cosine, sine = xp.cos(angle), xp.sin(angle)
    return real * cosine - imaginary * sine, real * sine + imaginary * cosine


def _interleaved(real: Any, imaginary: Any) -> Any:
    """The real form in which each number is a block of two rows and two columns."""
    xp, size = namespace(real), real.shape[-1]
    upper = xp.stack([real, imaginary], axis=-1)
    lower = xp.stack([-imaginary, real], axis=-1)
    return xp.reshape(xp.stack([upper, lower], axis=1), (2 * size, 2 * size))
