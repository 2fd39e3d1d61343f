"""TensorFlow: the nodes of the graph of a traced function."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_initx._backend.dataflow.operation import (
    ADD,
    MARK,
    MULTIPLY,
    OTHER,
    SIGMOID,
    SOFTMAX,
    Operation,
)

_KINDS = {
    "Add": ADD,
    "AddV2": ADD,
    "AddN": ADD,
    "Sub": ADD,
    # Keras makes it of an addition to what looks like a bias.
    "BiasAdd": ADD,
    "Mul": MULTIPLY,
    "Sigmoid": SIGMOID,
    "Softmax": SOFTMAX,
}
_MARK = "keras_initx_mark_"


def record(
    run: Callable[[Any, Callable[[Any], int]], Any], inputs: Any
) -> list[Operation]:
    """The operations of `run(inputs, mark)`, which is called once.

    Args:
        run: Callable. It may call `mark(tensor)`, which returns a number: the mark of
            that number then stands in the list where it was made, and has this tensor
            as its input.
        inputs: Arrays and tensors, in tuples, lists and dicts.

    Returns:
        A list of Operation, in the order of execution.
    """
    numbers = itertools.count()

    def mark(tensor: Any) -> int:
        number = next(numbers)
        tf.raw_ops.Identity(input=tensor, name=f"{_MARK}{number}")
        return number

    def traced(inputs: Any) -> None:
        with keras.StatelessScope():
            run(inputs, mark)

    function = tf.function(traced, autograph=False)
    inputs = keras.tree.map_structure(_tensor, inputs)
    graph = function.get_concrete_function(inputs).graph
    operations: list[Operation] = []
    for node in graph.get_operations():
        operations += _operations_of(node)
    return operations


def _tensor(leaf: Any) -> Any:
    return leaf if leaf is None else tf.convert_to_tensor(leaf)


def _operations_of(node: tf.Operation) -> list[Operation]:
    """A node of the graph. An identity of several tensors keeps them apart."""
    inputs = tuple(tensor.name for tensor in node.inputs)
    outputs = tuple(tensor.name for tensor in node.outputs)
    shapes = [_shape(tensor) for tensor in node.outputs] or [None]
    # Before it stand the names of the layers that are running.
    label = node.name.rpartition("/")[2]
    if label.startswith(_MARK):
        number = int(label.removeprefix(_MARK))
        return [Operation(MARK, inputs, outputs, shapes[0], number)]
    if node.type == "IdentityN":
        triples = zip(inputs, outputs, shapes, strict=True)
        return [Operation(OTHER, (old,), (new,), shape) for old, new, shape in triples]
    return [Operation(_KINDS.get(node.type, OTHER), inputs, outputs, shapes[0])]


def _shape(tensor: Any) -> tuple[int, ...] | None:
    is_known = tensor.shape.is_fully_defined()
    return tuple(tensor.shape.as_list()) if is_known else None
