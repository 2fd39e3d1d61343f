"""What only some layers have: noise, numbers to normalize, steps in time."""

from typing import Any

from keras_initx._model.observer import LayerCall
from keras_initx._model.recurrent import gate_names, steps_of
from keras_initx._model.tensors import first_tensor
from keras_initx.diagnostics._measure.noise import argument_of, noise_of, rate_of
from keras_initx.diagnostics._measure.normalized import numbers_of
from keras_initx.diagnostics._measure.over_time import ends, over_time
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder
from keras_initx.diagnostics._measure.regularization import activity_loss


class LayerFacts(Recorder):
    """Fills these in the row of each layer."""

    def finish(self, call: LayerCall, state: LayerState, tensor: Any) -> None:
        layer, row, inputs = call.layer, state.row, first_tensor(call.args)
        if layer.activity_regularizer is not None and tensor is not None:
            row.activity_loss = activity_loss(layer, tensor)
        row.noise, row.dropped = noise_of(layer, row.std), rate_of(layer)
        row.noise_argument = "" if row.noise is None else argument_of(layer)
        if inputs is not None:
            is_training = bool(call.kwargs.get("training"))
            row.normalized_over = numbers_of(layer, inputs.shape, is_training)
        if gate_names(layer):
            steps = steps_of(call)
            row.over_time = over_time(layer, steps)
            state.ends = ends(layer, steps)
