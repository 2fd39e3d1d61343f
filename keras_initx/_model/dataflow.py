"""The graph of what a model computes, from one recorded pass."""

from typing import Any

import keras

from keras_initx._backend.dataflow import record
from keras_initx._model.first_samples import on_first_samples
from keras_initx._model.graph import Dataflow
from keras_initx._model.graph_reader import GraphReader
from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.marks import Marks
from keras_initx._model.observer import Observer
from keras_initx._model.preserve import preserve_state
from keras_initx._model.sublayers import sublayers
from keras_initx._model.trace import trace


def dataflow(
    model: keras.layers.Layer, inputs: Any, has_leaves: bool = False
) -> Dataflow:
    """The graph of one call of the model, in inference mode, on these inputs.

    Two samples tell as much as all. They are taken alone if the model allows it.

    Args:
        model: keras.layers.Layer.
        inputs: What the model is called with.
        has_leaves: bool. Whether each layer that has none inside is a node, also one
            without weights, such as a pooling. Defaults to `False`.
    """
    if any(not layer.built for layer in sublayers(model)):
        # No variable may be made while the operations are recorded.
        trace(model, inputs, Observer())
    return on_first_samples(inputs, lambda few: _recorded(model, few, has_leaves))


def _recorded(model: keras.layers.Layer, inputs: Any, has_leaves: bool) -> Dataflow:
    marks = Marks()

    def run(inputs: Any, mark: Any) -> None:
        marks.mark = mark
        trace(model, inputs, marks, is_recorded=True)

    with hold_interrupts(), preserve_state(model):
        operations = record(run, inputs)
    return GraphReader(marks, has_leaves).read(operations)
