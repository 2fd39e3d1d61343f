"""What can be seen of a model that does not run: its weights."""

import itertools
from typing import Any

import keras
from keras import layers

from keras_initx import _validate
from keras_initx._keras import direct_sublayers, is_of_keras
from keras_initx._model.layer_tree import label, layer_tree
from keras_initx._model.sublayers import OPAQUE
from keras_initx.diagnostics._measure.activation_bounds import activation_of
from keras_initx.diagnostics._measure.kernels import (
    Kernel,
    add_singular_values,
    bias_rms,
    find_equal,
    kernels_of,
)
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._measure.trainability import trainability


def look_at_weights(owner: str, model: Any, singular_values: bool) -> Seen:
    """The kernels of a built model, in the order of its layers."""
    if not model.built:
        raise _validate.error(
            owner,
            "a built model where there is no `x`",
            f"a model of class {type(model).__name__} that is not built",
            "Pass `x`, or call the model on a batch before.",
        )
    rows: list[LayerRow] = []
    kernels: list[Kernel] = []
    for place in layer_tree(model):
        layer, parents = place.layer, place.parents
        is_part = any(isinstance(parent, OPAQUE) for parent in parents)
        if is_part or _is_activation_of(layer, parents):
            continue
        own = kernels_of(layer) if layer.built else []
        row = _row(layer, own)
        if own or row.is_normalization or row.activation:
            rows.append(row)
            kernels += own
    find_equal(kernels)
    if singular_values:
        add_singular_values(kernels)
    is_chain = _is_chain(model)
    if is_chain:
        _find_equal_inputs(rows)
    every = {id(place.layer): place.layer for place in layer_tree(model)}
    return Seen(
        rows,
        trainability=trainability(model, every),
        has_signal=False,
        is_chain=is_chain,
    )


def _find_equal_inputs(rows: list[LayerRow]) -> None:
    """Notes the kernels that neither tell inputs apart nor get different ones."""
    linear = [row for row in rows if row.fan_in is not None]
    for before, row in itertools.pairwise(linear):
        one, other = before.kernel, row.kernel
        if one is not None and other is not None:
            row.has_equal_inputs = one.has_equal_units and other.has_equal_inputs


def _row(layer: layers.Layer, kernels: list[Kernel]) -> LayerRow:
    row = LayerRow(label(layer), type(layer).__name__, calls=0)
    is_leaf = not direct_sublayers(layer)
    row.activation = activation_of(layer) if kernels or is_leaf else ""
    row.kernels = [kernel.row for kernel in kernels]
    row.bias_rms = bias_rms(layer) if kernels else None
    if kernels:
        shape, axes = kernels[0].row.shape, kernels[0].axes
        row.units = axes.count(axes.output + axes.batch) if shape else 0
    return row


def _is_activation_of(
    layer: layers.Layer, parents: tuple[keras.layers.Layer, ...]
) -> bool:
    """Whether a layer is the activation of another one, which shows it."""
    return bool(parents) and getattr(parents[-1], "activation", None) is layer


def _is_chain(model: layers.Layer) -> bool:
    """Whether the layers are known to stand one after the other, and what they do."""
    if isinstance(model, keras.Sequential):
        return all(_is_link(part) or _is_chain(part) for part in model.layers)
    operations = getattr(model, "operations", None)
    if not operations or len(model.inputs) != 1 or len(model.outputs) != 1:
        return False
    later = operations[1:]
    if not all(_is_link(each) and _has_one_input(each) for each in later):
        return False
    return len({id(each.input) for each in later}) == len(later)


def _is_link(operation: Any) -> bool:
    """Whether it is a layer of Keras without others inside."""
    is_layer = isinstance(operation, layers.Layer) and is_of_keras(operation)
    if not is_layer or isinstance(operation, layers.Lambda):
        return False
    return isinstance(operation, OPAQUE) or not direct_sublayers(operation)


def _has_one_input(layer: layers.Layer) -> bool:
    """Whether a layer is called once, on one tensor."""
    try:
        return not isinstance(layer.input, list | tuple | dict)
    except (AttributeError, ValueError):
        # It was called several times, or never.
        return False
