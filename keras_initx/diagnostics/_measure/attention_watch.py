"""What sees the weights of attention while a model runs.

Keras's layers, and layers written with `keras.ops`, take the softmax of their scores in
one function of the backend, or all of attention in another. Both are watched.
"""

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_initx._backend import has_values
from keras_initx._keras import module_of_softmax
from keras_initx._model.hooks import Hooks
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import is_float_tensor
from keras_initx.diagnostics._measure.attention_weights import (
    AttentionWeights,
    scores_of_attention,
    scores_of_softmax,
    scores_over_several,
    weights_of,
)
from keras_initx.diagnostics._measure.path_of_call import path_of
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder

# Layers that only apply a function, for the layer that they are within.
_FUNCTIONS = (layers.Softmax, layers.Activation)


class AttentionWatch(Recorder):
    """Sees the weights of attention in a pass.

    Attributes:
        found: list of AttentionWeights. One for each layer, from its first call.
    """

    def __init__(self) -> None:
        self.found: list[AttentionWeights] = []
        self._running: list[LayerCall] = []
        self._last: tuple[str, str] = ("", "")
        self._thread = threading.get_ident()
        self._is_within = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A context in which it sees what this thread computes."""
        module = module_of_softmax()
        names = {"softmax": self._softmax, "dot_product_attention": self._attention}
        watched = names if hasattr(module, "dot_product_attention") else {}
        hooks = Hooks(*((module, name, seen) for name, seen in watched.items()))
        with hooks.held():
            yield

    def enter(self, call: LayerCall, state: LayerState) -> None:
        self._running.append(call)

    def leave(self, call: LayerCall, output: Any) -> None:
        if isinstance(call.layer, layers.Softmax):
            self._softmax_over_several(call)
        # What ran within it has run too.
        while self._running and self._running.pop() is not call:
            pass
        if len(self._running) > 0:
            self._last = (path_of(call), type(call.layer).__name__)

    def _softmax_over_several(self, call: LayerCall) -> None:
        """Attention over images: its softmax is not that of the backend."""
        axes = call.layer.axis
        if isinstance(axes, list | tuple) and len(axes) > 1 and call.args:
            if self._sees(call.args[0]):
                mask = call.args[1] if len(call.args) > 1 else call.kwargs.get("mask")
                self._note(scores_over_several(call.args[0], mask, axes), None)

    def _softmax(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        weights = function(*args, **kwargs)
        if self._sees(weights) and len(args) > 0:
            axis = kwargs.get("axis", args[1] if len(args) > 1 else -1)
            if isinstance(axis, int) and self._is_over_positions(weights.shape, axis):
                self._note(scores_of_softmax(args[0], axis), None)
        return weights

    def _attention(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return function(*args, **kwargs)
        was_within, self._is_within = self._is_within, True
        try:
            output = function(*args, **kwargs)
        finally:
            self._is_within = was_within
        names = ("query", "key", "value", "bias", "mask", "scale", "is_causal")
        given = dict(zip(names, args, strict=False)) | kwargs
        if self._sees(output) and {"query", "key"} <= set(given):
            self._note(scores_of_attention(given), int(given["query"].shape[-1]))
        return output

    def _sees(self, tensor: Any) -> bool:
        return (
            threading.get_ident() == self._thread
            and not self._is_within
            and len(self._running) > 0
            and is_float_tensor(tensor)
            and has_values(tensor)
        )

    def _is_over_positions(self, shape: Any, axis: int) -> bool:
        """Whether a softmax chooses among positions, and not among classes.

        The scores of attention have an axis for the positions of its inputs.
        """
        is_of_units = layer_kernel(self._running[-1].layer) is not None
        if len(shape) < 3 or axis % len(shape) == 0 or is_of_units:
            return False
        keys = shape[axis]
        if axis % len(shape) == len(shape) - 1 and shape[-2] == keys:
            return True
        given = [(call.args, call.kwargs) for call in self._running]
        inputs = [leaf for leaf in keras.tree.flatten(given) if ops.is_tensor(leaf)]
        lengths: set[int] = set()
        for tensor in inputs:
            floats = is_float_tensor(tensor) and len(tensor.shape) > 2
            middle = tensor.shape[1:-1] if floats else tensor.shape[1:2]
            lengths |= {*middle, math.prod(middle)} if len(middle) else set()
        return keys in lengths

    def _note(self, scores: np.ndarray, features: int | None) -> None:
        """Adds what the scores say, unless this layer is known already."""
        path, name = self._where()
        if any(each.path == path for each in self.found):
            return
        if features is None:
            features = _features(self._running[-1])
        result = weights_of(scores)
        if result is not None:
            self.found.append(AttentionWeights(path, name, *result, features))

    def _where(self) -> tuple[str, str]:
        """The path and type of the layer that attends."""
        calls = [c for c in self._running if not isinstance(c.layer, _FUNCTIONS)]
        # Without one within the model: a softmax of its own, or else an operation
        # between its layers, which has the name of the layer before it.
        chosen = calls if len(calls) > 1 else self._running
        if len(chosen) == 1 and self._last[0]:
            return self._last
        return path_of(chosen[-1]), type(chosen[-1].layer).__name__


def _features(call: LayerCall) -> int | None:
    """The size of the keys of Keras's `Attention`, whose inputs are its keys."""
    if not isinstance(call.layer, layers.Attention) or not call.args:
        return None
    inputs = call.args[0]
    return int(inputs[0].shape[-1]) if isinstance(inputs, list | tuple) else None
