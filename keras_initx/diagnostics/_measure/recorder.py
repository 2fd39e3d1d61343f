"""What takes notes of a pass beside its rows, and what it is told."""

import dataclasses
from typing import Any

from keras import layers

from keras_initx._model.observer import LayerCall
from keras_initx.diagnostics._measure.kernels import Kernel
from keras_initx.diagnostics._measure.rows import LayerRow


@dataclasses.dataclass
class LayerState:
    """What a pass knows of one layer.

    Attributes:
        row: LayerRow. Shown once the layer is finished.
        kernels: list of Kernel. The layer's own.
        is_finished: bool. Whether its row describes an output.
        is_container: bool. Whether another layer ran within it.
        activation: keras.layers.Layer or None. The layer that is its activation.
        ends: Where the samples have their first and last steps, or None. Only for a
            recurrent layer.
    """

    row: LayerRow
    kernels: list[Kernel] = dataclasses.field(default_factory=list)
    is_finished: bool = False
    is_container: bool = False
    activation: layers.Layer | None = None
    ends: tuple[Any, Any] | None = None


class Recorder:
    """Takes notes while a model runs; a subclass overrides what it needs."""

    def enter(self, call: LayerCall, state: LayerState) -> None:
        """Before each call of a layer; its row is there, and not filled in."""

    def leave(self, call: LayerCall, output: Any) -> None:
        """After each call of a layer, and before its row is filled in."""

    def ran(self, call: LayerCall, state: LayerState, output: Any) -> None:
        """The same after a first call, unless it is the activation of another layer."""

    def finish(self, call: LayerCall, state: LayerState, tensor: Any) -> None:
        """When a row is filled in; `tensor` is the output that it describes."""

    def end(self, outputs: Any, rows: list[LayerRow]) -> None:
        """When the model has run, with its outputs and all rows."""
