"""A pass without noise."""

from typing import Any

from keras_initx._model.observer import LayerCall, Observer
from keras_initx.diagnostics._measure.noise import NOISE


class QuietObserver(Observer):
    """Makes layers that only add noise return what they get."""

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        if isinstance(call.layer, NOISE) and call.args:
            return call.args[0]
        return tensor
