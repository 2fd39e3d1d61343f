"""The random generators of Python, NumPy and Keras, which the whole program shares."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np

from keras_initx._backend import saved
from keras_initx._keras import global_seed_state


@contextlib.contextmanager
def preserve_global_seeds() -> Iterator[None]:
    """A context after which Python's and NumPy's generators are as they were before."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


@contextlib.contextmanager
def own_global_seeds() -> Iterator[None]:
    """A context in which all three may be set; they are as before afterwards."""
    with preserve_global_seeds():
        state = global_seed_state()
        before = None if state is None else saved(state)
        try:
            yield
        finally:
            if state is not None:
                state.assign(before)


def set_global_seeds(seed: int) -> None:
    """Sets these three generators, of which Keras's serves draws without a seed."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    state = global_seed_state()
    if state is not None:
        state.assign([seed, 0])
