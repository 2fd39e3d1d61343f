"""Marks between the operations of a pass: where which layer begins and ends."""

from typing import Any

import keras
from keras import ops

from keras_initx._model.observer import LayerCall, Observer


class Marks(Observer):
    """Marks the tensors that each layer gets and returns."""

    mark: Any

    def __init__(self) -> None:
        self.calls: list[LayerCall] = []
        self.entered: dict[int, LayerCall] = {}
        self.left: dict[int, LayerCall] = {}
        # The number of marks of a call that are still to come, inputs and outputs.
        self.counts: dict[int, list[int]] = {}

    def enter(self, call: LayerCall) -> None:
        self.calls.append(call)
        numbers = [self.mark(each) for each in _tensors((call.args, call.kwargs))]
        self.entered |= dict.fromkeys(numbers, call)
        self.counts[id(call)] = [len(numbers), 0]

    def leave(self, call: LayerCall, output: Any) -> Any:
        numbers = [self.mark(tensor) for tensor in _tensors(output)]
        self.left |= dict.fromkeys(numbers, call)
        self.counts[id(call)][1] = len(numbers)
        return output


def _tensors(values: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(values) if ops.is_tensor(leaf)]
