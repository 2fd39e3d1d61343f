"""The pass that corrects each kernel by what reaches it, to a variance of its own."""

import dataclasses
import math
from typing import Any

import keras

from keras_initx._model.changes import Changes
from keras_initx._model.selection import Selection
from keras_initx._model.trace import trace
from keras_initx.schemes._critical.point import Point
from keras_initx.schemes._lsuv.layer_pass import LSUVPass
from keras_initx.schemes._lsuv.lsuv_report import LayerRow

_OWNER = "critical"
# A layer whose code is not known is tried until it is as near as this.
_TOLERANCE = 1e-3


@dataclasses.dataclass
class MeasuredPass(LSUVPass):
    """LSUV, with a standard deviation for each layer, from kernels that are drawn."""

    targets: dict[int, float] = dataclasses.field(default_factory=dict)

    def target_of(self, layer: keras.layers.Layer) -> float:
        """The root of the variance that the pre-activation of this layer gets."""
        return self.targets[id(layer)]

    def row_of(self, layer: keras.layers.Layer) -> LayerRow | None:
        """What became of a layer."""
        state = self._states.of(layer)
        return None if state is None else state.row


def measure(
    model: keras.layers.Layer, batch: Any, points: list[Point], changes: Changes
) -> MeasuredPass:
    """Scales the kernels of these layers by the data."""
    targets = {
        id(point.chain.layer): math.sqrt(point.variance)
        for point in points
        if point.is_set
    }
    scheme = MeasuredPass(
        changes=changes,
        draws=None,
        selection=Selection(_OWNER, lambda layer: id(layer) in targets),
        target_std=1.0,
        tolerance=_TOLERANCE,
        per_channel=False,
        center=False,
        strict=False,
        progress=None,
        owner=_OWNER,
        targets=targets,
    )
    trace(model, batch, scheme)
    scheme.complete(model)
    return scheme
