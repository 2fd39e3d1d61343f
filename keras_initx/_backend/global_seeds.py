"""The random generators of Python and NumPy, which belong to the whole program."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def preserve_global_seeds() -> Iterator[None]:
    """A context after which these generators are in the state that they had before."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
