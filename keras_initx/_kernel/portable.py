"""Portable seeds: the same random numbers on each backend, from NumPy's Philox."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_initx import _validate
from keras_initx._backend import next_state, on_host
from keras_initx._kernel.contexts import Contexts

_everywhere = False


_blocks = Contexts("portable_seeds")


@contextlib.contextmanager
def portable_seeds() -> Iterator[None]:
    """Context manager: one integer seed gives one kernel, on every backend.

    Within it the initializers of this package draw from NumPy's Philox generator, which
    does not depend on the backend, instead of from `keras.random`. A kernel is then the
    same on TensorFlow, JAX and PyTorch, up to rounding. It is also the same whether it
    is drawn eagerly or while a program is traced or compiled.
    `keras.utils.set_random_seed` fixes the seeds that nobody named, so it makes whole
    models equal.

    Initializers of Keras, also as the `base` of `LooksLinear`, keep their own numbers.
    A float64 kernel is rounded to float32 where JAX runs without `jax_enable_x64`.

    The context holds for the thread that opens it. A generator function that yields
    within the `with` block leaves it open for its caller, until it leaves the block or
    is closed: this is how a `contextlib.contextmanager` opens it for others.

    Examples:
    >>> initializer = keras_initx.initializers.HaarOrthogonal(seed=7)
    >>> with keras_initx.portable_seeds():
    ...     kernel = initializer((2, 2))
    >>> [round(float(entry), 3) for entry in kernel[0]]  # on each backend
    [-0.731, -0.682]

    Raises:
        ValueError: In the call of an initializer, if its seed is a `SeedGenerator`
            whose state is not known because a program is being traced.

    Reference:
        Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2,
        3"; https://numpy.org/doc/stable/reference/random/bit_generators/philox.html.
    """
    with _blocks.opened():
        yield


def enable_portable_seeds() -> None:
    """Turns `portable_seeds` on, for all threads, until it is disabled.

    Examples:
    >>> keras_initx.config.enable_portable_seeds()
    >>> keras_initx.config.is_portable_seeds_enabled()
    True
    >>> keras_initx.config.disable_portable_seeds()
    """
    global _everywhere
    _everywhere = True


def disable_portable_seeds() -> None:
    """Turns `enable_portable_seeds` off; an open `portable_seeds` stays open.

    Examples:
    >>> keras_initx.config.disable_portable_seeds()
    >>> keras_initx.config.is_portable_seeds_enabled()
    False
    """
    global _everywhere
    _everywhere = False


def is_portable_seeds_enabled() -> bool:
    """Whether a kernel that is drawn here and now is the same on each backend.

    Examples:
    >>> with keras_initx.portable_seeds():
    ...     keras_initx.config.is_portable_seeds_enabled()
    True

    Returns:
        A bool.
    """
    return _everywhere or bool(_blocks.values())


def generator(seed: Any) -> np.random.Generator:
    """NumPy's generator for one draw, from an integer or a `SeedGenerator`.

    A `SeedGenerator` moves on.
    """
    if isinstance(seed, keras.random.SeedGenerator):
        state = on_host(next_state(seed))
        if not isinstance(state, np.ndarray):
            raise _validate.error(
                "portable_seeds",
                "a seed whose value is known",
                "a `SeedGenerator` while a program is being traced",
                "Pass an integer seed to the initializer, or build the model before "
                "it is compiled.",
            )
        entropy = [int(word) for word in state]
    else:
        entropy = [seed % 2**64]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
