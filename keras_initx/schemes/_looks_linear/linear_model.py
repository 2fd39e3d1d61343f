"""A whole model that starts as a linear function."""

import functools
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._backend.global_seeds import own_global_seeds
from keras_initx._backend.seeds import split
from keras_initx._model.changes import Changes
from keras_initx._model.dataflow import dataflow
from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.layer_tree import layer_tree
from keras_initx._model.one_seed import one_seed
from keras_initx._model.recorded import recorded
from keras_initx._model.trace import trace
from keras_initx._model.training_step import check_model
from keras_initx.schemes._looks_linear.input_pairs import UnexcitedError
from keras_initx.schemes._looks_linear.mirror_pass import EndCheck, MirrorPass
from keras_initx.schemes._looks_linear.mirror_report import MirrorReport
from keras_initx.schemes._looks_linear.mirrored_draws import MirroredDraws
from keras_initx.schemes._looks_linear.roles import OWNER, Roles
from keras_initx.schemes._looks_linear.samples import FEWEST, Samples

# The standard deviations of the inputs that are tried: large ones reach both sides of
# a rectifier where there are large biases.
_SCALES = (1.0, 64.0, 4096.0)


def looks_linear(
    model: keras.Model,
    x: Any = None,
    *,
    base: Any = "haar_orthogonal",
    seed: Any = None,
) -> MirrorReport:
    """Sets the kernels of a model so that it starts as a linear function of its inputs.

    TODO
    """
    check_model(OWNER, model)
    initializer = keras.initializers.get(base)
    if initializer is None:
        raise _validate.error(
            OWNER,
            "a `base` initializer",
            "base=None",
            "Pass for example 'haar_orthogonal' or 'he_normal'.",
        )
    number = one_seed(OWNER, seed)
    find = functools.partial(dataflow, has_leaves=True)
    graph, like = recorded(OWNER, model, x, find)
    _check_inputs(like)
    roles = Roles(graph)
    if not roles.by_layer:
        raise _validate.error(
            OWNER,
            "a model that has layers with a kernel",
            f"the model {model.name!r} without one",
            "Pass the model that has the layers.",
        )
    for scale in _SCALES:
        try:
            return _mirror(model, roles, like, initializer, number, scale)
        except UnexcitedError:
            continue
    raise _validate.error(
        OWNER,
        "inputs that reach both sides of each rectifier",
        f"the model {model.name!r}, in which random inputs up to a standard deviation "
        f"of {_SCALES[-1]:g} leave rectifiers on one side",
        "Set the biases to zero, and take a `base` that is not zero.",
    )


def _mirror(
    model: keras.layers.Layer,
    roles: Roles,
    like: Any,
    base: Any,
    seed: int,
    scale: float,
) -> MirrorReport:
    """Draws all kernels and checks the model, on inputs of this scale."""
    paths = {id(place.layer): place.path for place in layer_tree(model)}
    first, second = (
        Samples(like, each, scale, _fixed_count(model)) for each in split(seed, 2)
    )
    changes = Changes()
    with hold_interrupts(), own_global_seeds(), changes:
        draws = MirroredDraws(base, seed, paths, changes)
        trace(model, first.inputs, MirrorPass(roles, first, draws))
        check = EndCheck(roles, second)
        output = trace(model, second.inputs, check)
        if roles.has_linear_end:
            check.check_output(model, output)
    return MirrorReport(draws.rows, check.deviation, seed)


def _check_inputs(like: Any) -> None:
    """Raises unless all inputs are floats."""
    for leaf in keras.tree.flatten(like):
        if leaf is None:
            continue
        dtype = keras.backend.standardize_dtype(leaf.dtype)
        if not keras.backend.is_float_dtype(dtype):
            raise _validate.error(
                OWNER,
                "inputs of a floating-point dtype, of which the model can be a linear "
                "function",
                f"inputs of dtype {dtype}",
                "Pass the part of the model after its embeddings; cast images.",
            )


def _fixed_count(model: keras.layers.Layer) -> int | None:
    """The number of samples that a model fixes for all batches, or None."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    counts = [tensor.shape[0] for tensor in inputs if tensor.shape[0] is not None]
    if counts and counts[0] < FEWEST:
        raise _validate.error(
            OWNER,
            f"a model that can be called with at least {FEWEST} samples",
            f"the model {model.name!r} with a batch of {counts[0]}",
            "Leave the size of the batch open.",
        )
    return counts[0] if counts else None
