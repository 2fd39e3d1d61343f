"""Whether a model has inputs of which it can be a linear function."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.graph import Dataflow
from keras_initx._model.layer_tree import label
from keras_initx.schemes._looks_linear.rectifier_roles import OWNER


def check_inputs(model: keras.layers.Layer, like: Any, graph: Dataflow) -> None:
    """Raises unless all inputs are floats, and none is looked up in a table."""
    received = [
        f"{label(node.layer)} (Embedding), which looks its inputs up"
        for node in graph.nodes
        if isinstance(node.layer, keras.layers.Embedding)
    ]
    leaves = [leaf for leaf in keras.tree.flatten(like) if leaf is not None]
    for dtype in (keras.backend.standardize_dtype(leaf.dtype) for leaf in leaves):
        if not keras.backend.is_float_dtype(dtype):
            received.append(f"the model {model.name!r} with inputs of dtype {dtype}")
    if received:
        raise _validate.error(
            OWNER,
            "inputs of a floating-point dtype, of which the model can be a linear "
            "function",
            received[0],
            "Pass the part of the model after its embeddings; cast images to floats.",
        )
