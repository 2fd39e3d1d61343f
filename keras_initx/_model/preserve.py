"""A model whose flags, losses and state stay as they are."""

import contextlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

import keras
import numpy as np

from keras_initx._backend import saved, stored, view
from keras_initx._keras import own_losses
from keras_initx._model.layer_tree import kept_states
from keras_initx._model.sublayers import sublayers


@contextlib.contextmanager
def preserve_state(model: keras.layers.Layer) -> Iterator[None]:
    """A context after which flags, losses and state are as they were.

    What is built within it stays built.
    """
    layers = [layer for layer in sublayers(model) if layer.built]
    flags = [
        (vars(layer), name, value)
        for layer in layers
        for name, value in vars(layer).items()
        if isinstance(value, bool)
    ]
    losses = [(own, list(own)) for own, _ in map(own_losses, layers)]
    frozen = {id(v) for layer in layers if not layer.trainable for v in layer.weights}
    state = [
        (variable, saved(variable))
        for variable in chain(model.variables, *map(kept_states, layers))
        if not variable.trainable and (variable.ndim < 2 or id(variable) not in frozen)
    ]
    try:
        yield
    finally:
        for attributes, name, value in flags:
            attributes[name] = value
        for own, before in losses:
            own[:] = before
        for variable, before in state:
            if not np.array_equal(view(stored(variable)), _array(before)):
                variable.assign(before)


def _array(before: Any) -> np.ndarray:
    """What `saved` gave, as an array; NumPy has no bfloat16."""
    return np.asarray(before if isinstance(before, np.ndarray) else view(before))
