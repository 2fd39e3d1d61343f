"""The state of a model, given to a copy of it."""

from itertools import chain
from typing import Any

import keras
import numpy as np

from keras_initx import _validate
from keras_initx._backend import saved, stored, view
from keras_initx._keras import trained_variables
from keras_initx._model.layer_tree import kept_states
from keras_initx._model.sublayers import sublayers

Pairs = list[tuple[keras.Variable, keras.Variable]]


def pairs_of(model: keras.Model, copy: keras.Model) -> Pairs:
    """Each variable of the model with that of the copy."""
    ours, theirs = _variables(model), _variables(copy)
    if [_kind(v) for v in ours] != [_kind(v) for v in theirs]:
        raise _other_variables(model, "others")
    return list(zip(ours, theirs, strict=True))


def copy_variables(model: keras.Model, pairs: Pairs) -> None:
    """Gives the copy each value that its file did not bring, bit for bit.

    A file has no states of random generators, and LoRA is added to the kernel there.
    """
    different = [(one, other) for one, other in pairs if _bits(one) != _bits(other)]
    ours = sorted(_bits(one) for one, _ in different)
    if len(different) > 1 and ours == sorted(_bits(other) for _, other in different):
        raise _other_variables(model, "the same ones in another order")
    for one, other in different:
        other.assign(saved(one))


def copy_trainable(model: keras.Model, copy: keras.Model, pairs: Pairs) -> None:
    """Freezes in the copy what is frozen in the model, sublayers and weights too."""
    owners, others = _owners(model), _owners(copy)
    wanted = {
        id(others[id(other)]): owners[id(one)].trainable
        for one, other in pairs
        if id(one) in owners
    }
    copy.trainable = model.trainable
    for layer in sublayers(copy, with_cells=True):
        trainable = wanted.get(id(layer), layer.trainable)
        if layer.trainable != trainable:
            layer.trainable = trainable
    for one, other in pairs:
        if one.trainable != other.trainable:
            other.trainable = one.trainable


def copy_optimizer(
    optimizer: Any, other: Any, model: keras.Model, pairs: Pairs
) -> None:
    """Gives the optimizer of the copy the slots, the step and the rate."""
    if not optimizer.built:
        return
    if not other.built:
        mates = {id(one): mate for one, mate in pairs}
        trained = trained_variables(_inner(optimizer))
        other.build([mates[id(one)] for one in trained if id(one) in mates])
    slots = list(zip(optimizer.variables, other.variables, strict=False))
    sizes = len(optimizer.variables), len(other.variables), len(slots)
    if len(set(sizes)) > 1 or any(_kind(a) != _kind(b) for a, b in slots):
        raise _validate.error(
            "detach",
            "an optimizer that trains variables of the model",
            f"the optimizer {optimizer.name!r} of the model {model.name!r}, which has "
            "slots for others",
            "Compile the model again with a new optimizer.",
        )
    for one, mate in slots:
        mate.assign(saved(one))


def _inner(optimizer: Any) -> Any:
    """The optimizer itself, where another scales its loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _variables(model: keras.Model) -> list[keras.Variable]:
    """All variables; those of recurrent states, which a model does not list, last."""
    states = map(kept_states, sublayers(model, with_cells=True))
    return [*model.variables, *chain.from_iterable(states)]


def _kind(variable: keras.Variable) -> tuple[tuple[int, ...], str]:
    return tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype)


def _bits(variable: keras.Variable) -> bytes:
    return np.ascontiguousarray(view(stored(variable))).tobytes()


def _owners(model: keras.Layer) -> dict[int, keras.Layer]:
    """The innermost layer of each variable."""
    return {
        id(v): layer
        for layer in sublayers(model, with_cells=True)
        for v in layer.variables
    }


def _other_variables(model: keras.Model, which: str) -> ValueError:
    return _validate.error(
        "detach",
        "a model that its config gives back with the same variables",
        f"the model {model.name!r}, whose copy has {which}",
        "Build the layers of a class of your own in `build`, always in one order.",
    )
