"""Which layers made the outputs of the model, or of a part of it."""

from typing import Any

from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import flat, is_float_tensor
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.tensor_states import TensorStates


class OutputRows(Recorder):
    """Marks the rows of these layers.

    Args:
        tensors: TensorStates.
    """

    def __init__(self, tensors: TensorStates) -> None:
        self._tensors = tensors

    def ran(self, call: LayerCall, state: LayerState, output: Any) -> None:
        leaves = [leaf for leaf in flat(output) if is_float_tensor(leaf)]
        for leaf in leaves if call.parents and len(leaves) > 1 else ():
            if (row := self._tensors.row_of(leaf)) is not None:
                row.is_one_of_several = True

    def end(self, outputs: Any, rows: list[LayerRow]) -> None:
        for leaf in flat(outputs):
            if (row := self._tensors.row_of(leaf)) is not None:
                row.is_output = True
