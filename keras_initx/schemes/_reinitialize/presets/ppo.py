"""The recipe of proximal policy optimization: orthogonal, with small policy heads."""

import contextlib
import math
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.dataflow import dataflow
from keras_initx._model.example_batch import example_batches
from keras_initx._model.graph import Dataflow
from keras_initx._model.model_variables import ModelVariable
from keras_initx.initializers import HaarOrthogonal
from keras_initx.schemes._reinitialize.presets.variable_roles import by_role, role

_HIDDEN, _POLICY, _VALUE = math.sqrt(2), 0.01, 1.0
_VALUE_NAMES = ("value", "critic")
_POLICY_NAMES = ("policy", "actor", "logits", "action")


def ppo(model: keras.layers.Layer, variables: list[ModelVariable]) -> dict[int, Any]:
    """Orthogonal kernels with gain sqrt(2), 0.01 for policies and 1 for values.

    Biases are zero. An output of one unit is a value, unless its layer is named after a
    policy, an actor, logits or actions; an output of several units is a policy, unless
    its layer is named after a value or a critic. Of two outputs of one unit the last
    one is the value.
    """
    heads = _heads(model)
    hidden = HaarOrthogonal(gain=_HIDDEN)
    zeros = keras.initializers.Zeros()
    found = by_role(variables, {"kernel": hidden, "bias": zeros})
    gains = _gains(heads)
    for each in variables:
        if role(each) == "kernel" and id(each.layer) in gains:
            found[id(each.variable)] = HaarOrthogonal(gain=gains[id(each.layer)])
    return found


def _gains(heads: list[keras.layers.Layer]) -> dict[int, float]:
    """The gain of each head, by its identity."""
    gains = {}
    for place, head in enumerate(heads):
        path = head.path.lower()
        is_named_value = any(name in path for name in _VALUE_NAMES)
        is_named_policy = any(name in path for name in _POLICY_NAMES)
        is_single = head.kernel.shape[-1] == 1
        # A policy of one continuous action stands before the value.
        is_last = place == len(heads) - 1
        is_value = is_named_value or (is_single and is_last and not is_named_policy)
        gains[id(head)] = _VALUE if is_value else _POLICY
    return gains


def _heads(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers with kernels that make the outputs."""
    for batch in example_batches(model):
        # A size that the model leaves open may be too small for it.
        with contextlib.suppress(Exception):
            graph = dataflow(model, batch)
            found = [head for node in graph.outputs for head in _before(graph, node)]
            return list({id(head): head for head in found}.values())
    raise _validate.error(
        "reinitialize",
        "for like='ppo' a Functional or Sequential model, whose outputs are known",
        f"the model {model.name!r} of class {type(model).__name__}",
        "Use rules, such as {'policy/kernel': HaarOrthogonal(gain=0.01)}.",
    )


def _before(graph: Dataflow, place: int) -> list[keras.layers.Layer]:
    """The layers with kernels that an output comes from directly."""
    node = graph.nodes[place]
    kernel = getattr(node.layer, "kernel", None)
    if isinstance(kernel, keras.Variable):
        return [node.layer] if node.layer is not None else []
    return [head for source in node.sources for head in _before(graph, source)]
