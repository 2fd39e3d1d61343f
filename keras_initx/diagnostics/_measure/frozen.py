"""Layers that do not train, though nothing has ever trained them."""

import keras
import numpy as np

from keras_initx._backend import stored
from keras_initx._keras import own_trainable_variables
from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.fresh_weights import is_fresh
from keras_initx.diagnostics._measure.layer_notes import with_cells


def frozen_and_fresh(ran: list[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """The frozen layers with fresh weights, of each run of them that others follow.

    Frozen layers at the end judge what comes before, as a discriminator does. One
    frozen layer at the start is a fixed random map by design, except an embedding. A
    copy of a layer that trains is a target.
    """
    leaves = [
        leaf
        for layer in ran
        for leaf in with_cells(layer)
        if own_trainable_variables(leaf)
    ]
    found: list[keras.layers.Layer] = []
    run: list[keras.layers.Layer] = []
    for place, leaf in enumerate(leaves):
        if not any(v.trainable for v in own_trainable_variables(leaf)):
            run.append(leaf)
            continue
        is_first = len(run) == place
        if run and not _is_by_design(run, is_first, leaves) and is_fresh(run):
            found += run
        run = []
    return found


def _is_by_design(
    run: list[keras.layers.Layer], is_first: bool, leaves: list[keras.layers.Layer]
) -> bool:
    """Whether these layers are meant to keep random weights."""
    with_kernel = [leaf for leaf in run if _matrices(leaf) and not _is_position(leaf)]
    is_one = len(with_kernel) == 1 and not isinstance(
        with_kernel[0], keras.layers.Embedding
    )
    if not with_kernel or (is_one and is_first):
        return True
    return all(_is_copy(leaf, leaves) for leaf in with_kernel)


def _is_position(layer: keras.layers.Layer) -> bool:
    """Whether this is a table of positions, by its name: any will do."""
    return "position" in f"{type(layer).__name__} {layer.name}".lower()


def _is_copy(leaf: keras.layers.Layer, leaves: list[keras.layers.Layer]) -> bool:
    """Whether a layer that trains has the same kernel, bit for bit."""
    kernel = _matrices(leaf)[0]
    return any(
        other.trainable
        and tuple(other.shape) == tuple(kernel.shape)
        and np.array_equal(as_array(stored(other)), as_array(stored(kernel)))
        for each in leaves
        for other in _matrices(each)
    )


def _matrices(layer: keras.layers.Layer) -> list[keras.Variable]:
    return [v for v in own_trainable_variables(layer) if len(v.shape) > 1]
