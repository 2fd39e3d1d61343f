"""What training changes, what it does not, and which layers take no part."""

import dataclasses
from typing import Any

import keras

from keras_initx._keras import own_trainable_variables
from keras_initx._model.sublayers import sublayers
from keras_initx.diagnostics._measure.frozen import frozen_and_fresh
from keras_initx.diagnostics._measure.layer_notes import (
    LayerNote,
    count,
    note,
    with_cells,
)
from keras_initx.diagnostics._measure.signal_pass import SignalPass
from keras_initx.diagnostics._measure.unused import dropped, unused


@dataclasses.dataclass
class Trainability:
    """What trains.

    Attributes:
        weights: int. The numbers that are made to be trained.
        trainable: int. Those of them that training changes.
        frozen: list of LayerNote. Layers that do not train, though their weights are as
            they were drawn and layers after them train.
        unused: list of LayerNote. Layers that train, and that did not run.
        dropped: list of LayerNote. Layers that ran, and of whose output nothing reaches
            an output of the model.
    """

    weights: int = 0
    trainable: int = 0
    frozen: list[LayerNote] = dataclasses.field(default_factory=list)
    unused: list[LayerNote] = dataclasses.field(default_factory=list)
    dropped: list[LayerNote] = dataclasses.field(default_factory=list)


def trainability(
    model: keras.layers.Layer, ran: dict[int, keras.layers.Layer]
) -> Trainability:
    """What trains in a model.

    Args:
        model: keras.layers.Layer.
        ran: dict. The layers that ran, by their identities, in their order.
    """
    leaves = [leaf for layer in sublayers(model) for leaf in with_cells(layer)]
    variables = {id(v): v for leaf in leaves for v in own_trainable_variables(leaf)}
    trainable = [v for v in variables.values() if v.trainable]
    return Trainability(
        weights=count(variables.values()),
        trainable=count(trainable),
        frozen=[note(model, each) for each in frozen_and_fresh(list(ran.values()))],
        unused=[note(model, each) for each in unused(model, ran)],
    )


def add_dropped(
    found: Trainability, model: keras.layers.Layer, batch: Any, watch: SignalPass
) -> None:
    """Fills in what ran for nothing, after the gradient is known."""
    found.dropped = [note(model, each) for each in dropped(model, batch, watch)]
