"""The chain of a model: what each kernel gets, and which activation follows it.

Nothing is measured here. In this pass the output of each kernel is replaced by numbers
between -8 and 8. So an activation that is no layer can be told by what it makes of
them, whatever the weights are.
"""

import dataclasses
import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._model.activation_layers import ACTIVATION_LAYERS
from keras_initx._model.branches.paths import is_normalization
from keras_initx._model.first_samples import on_first_samples
from keras_initx._model.layer_kernel import LayerKernel, layer_kernel
from keras_initx._model.layer_tree import label, own_variables
from keras_initx._model.observer import LayerCall, Observer
from keras_initx._model.sublayers import OPAQUE, sublayers
from keras_initx._model.tensors import is_float_tensor
from keras_initx._model.trace import trace
from keras_initx.schemes._critical.known_activations import which_activation
from keras_initx.schemes._critical.layer_kinds import (
    HANDING_ON,
    POOLING,
    is_activation,
)
from keras_initx.schemes._critical.signals import (
    INPUT,
    KERNEL,
    NORMALIZED,
    UNKNOWN,
    ChainLayer,
    Signal,
    applied,
)

# An operation is looked for among the last tensors of its size.
_RECENT = 8
_LARGEST = 8.0
# Multiples of these, without their integers, are spread evenly, and differ.
_GOLDEN, _OTHER = (5**0.5 - 1) / 2, 2**0.5 - 1


def find_chain(model: keras.layers.Layer, batch: Any) -> "ChainPass":
    """The chain of a model that is called on this batch, or on two samples of it."""
    # During the pass the layers cannot be asked: their calls are watched.
    own = {id(each) for each in sublayers(model) if is_activation(each)}
    return on_first_samples(batch, lambda few: _found(model, few, own))


def _found(model: keras.layers.Layer, batch: Any, own: set[int]) -> "ChainPass":
    chain = ChainPass(own)
    chain.finish(trace(model, batch, chain))
    return chain


class ChainPass(Observer):
    """Finds the chain while the model runs.

    Args:
        own: set of int. The identities of further layers that are activations.

    Attributes:
        layers: list of ChainLayer. In the order of execution.
        normalizations: list of keras.layers.Layer.
    """

    def __init__(self, own: set[int]) -> None:
        self._own = own
        self._begin()

    def _begin(self) -> None:
        self.layers: list[ChainLayer] = []
        self.normalizations: list[keras.layers.Layer] = []
        self._by_layer: dict[int, ChainLayer] = {}
        # All tensors live until the end, so that no other one gets an identity.
        self._signals: dict[int, tuple[Any, Signal]] = {}
        self._has_begun = False

    # What the trace tells

    def enter(self, call: LayerCall) -> None:
        tensors = _tensors((call.args, call.kwargs))
        if not call.parents:
            # While a model is built, Keras may have begun to call it before.
            self._begin()
            for tensor in tensors:
                self._note(tensor, Signal(INPUT))
        described = _described(call.layer)
        if described is None:
            if not is_normalization(call.layer):
                is_opaque = isinstance(call.layer, OPAQUE)
                self._has_begun |= is_opaque or bool(own_variables(call.layer))
            return
        floats = [each for each in tensors if is_float_tensor(each)]
        source = self._merged([self._signal(each) for each in floats])
        self._has_begun = True
        known = self._by_layer.get(id(call.layer))
        if known is None:
            known = ChainLayer(call.layer, call.parents, described, source)
            self._by_layer[id(call.layer)] = known
            self.layers.append(known)
        elif not call.is_repetition:
            known.is_shared = True
        if source.layer is not None and not source.layer.is_followed:
            source.layer.is_followed = True
            source.layer.activations = source.activations

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        known = self._by_layer.get(id(call.layer))
        if known is None or not is_float_tensor(tensor):
            return tensor
        tensor = _spread(tensor, len(self._signals))
        self._note(tensor, Signal(KERNEL, known))
        return tensor

    def leave(self, call: LayerCall, output: Any) -> Any:
        known = self._by_layer.get(id(call.layer))
        if known is not None and not known.described.is_known:
            self._close(known, output)
        for tensor in _tensors(output):
            if id(tensor) not in self._signals:
                self._note(tensor, self._after(call, tensor))
        return output

    def finish(self, outputs: Any) -> None:
        """Marks the layers that make the outputs of the model."""
        ends = [self._signal(each).layer for each in _tensors(outputs)]
        self._mark([each for each in (*ends, *self.layers[-1:]) if each is not None])

    def mark_outputs(self, heads: set[int]) -> None:
        """Marks layers that are known to make outputs, through operations too."""
        self._mark([each for each in self.layers if id(each.layer) in heads])

    def _mark(self, layers: list[ChainLayer]) -> None:
        for each in layers:
            each.is_output |= not each.is_followed

    # What is made of it

    def _close(self, known: ChainLayer, output: Any) -> None:
        """The end of a layer whose class is not known.

        What it returned may be its pre-activation, or any function of it.
        """
        for tensor in _tensors(output):
            signal = self._signals.get(id(tensor), (None, None))[1]
            if signal is not None and signal.layer is known and not signal.activations:
                self._note(tensor, Signal(UNKNOWN, name=known.layer.path))

    def _note(self, tensor: Any, signal: Signal) -> None:
        self._signals[id(tensor)] = (tensor, signal)
        if signal.layer is not None and not signal.layer.activations:
            signal.layer.activations = signal.activations

    def _signal(self, tensor: Any) -> Signal:
        """What is known of a tensor, also if an operation has made it."""
        if id(tensor) not in self._signals:
            self._note(tensor, self._told(tensor, "an operation in the model"))
        return self._signals[id(tensor)][1]

    def _after(self, call: LayerCall, tensor: Any) -> Signal:
        """The signal that a layer makes of what it gets."""
        layer, inputs = call.layer, _tensors((call.args, call.kwargs))
        known = self._by_layer.get(id(layer))
        if known is not None:
            return _after_kernel(known)
        if not inputs:
            return Signal(UNKNOWN, name=label(layer))
        signals = [self._signal(each) for each in inputs]
        signal = signals[0]
        if isinstance(layer, keras.layers.Rescaling) and signal.kind == INPUT:
            return signal
        is_one = isinstance(layer, ACTIVATION_LAYERS) or id(layer) in self._own
        activation = layer if is_one else None
        if type(layer) is keras.layers.Activation:
            activation = layer.activation
        if activation is not None:
            return applied(signal, activation)
        if is_normalization(layer):
            if signal.kind != INPUT:
                self.normalizations.append(layer)
            return Signal(INPUT if signal.kind == INPUT else NORMALIZED)
        if isinstance(layer, HANDING_ON):
            return signal
        if isinstance(layer, POOLING):
            return dataclasses.replace(signal, pooling=label(layer))
        if isinstance(layer, keras.layers.Concatenate):
            return self._merged(signals)
        return self._told(tensor, label(layer))

    def _told(self, tensor: Any, name: str) -> Signal:
        """The signal of a tensor that a known activation makes of one before."""
        if is_float_tensor(tensor):
            recent = reversed(self._signals.values())
            alike = (each for each in recent if _size(each[0]) == _size(tensor))
            for before, signal in itertools.islice(alike, _RECENT):
                if signal.kind == UNKNOWN:
                    continue
                activation = which_activation(before, tensor)
                if activation is not NotImplemented:
                    return applied(signal, activation)
        if not self._has_begun:
            return Signal(INPUT)
        return Signal(UNKNOWN, name=name)

    def _merged(self, signals: list[Signal]) -> Signal:
        """The signal of several that come together."""
        signal = signals[0] if signals else Signal(UNKNOWN, name="nothing")
        for other in signals[1:]:
            is_alike = (other.kind, other.activations) == (
                signal.kind,
                signal.activations,
            )
            if not is_alike:
                return Signal(UNKNOWN, name="different signals that come together")
            if other.layer is not None and not other.layer.is_followed:
                other.layer.is_followed = True
        return signal


def _after_kernel(known: ChainLayer) -> Signal:
    """What a layer makes of its pre-activation."""
    activation = getattr(known.layer, "activation", None)
    if callable(activation):
        return applied(Signal(KERNEL, known), activation)
    return Signal(UNKNOWN, name=known.layer.path)


def _described(layer: keras.layers.Layer) -> LayerKernel | None:
    return None if isinstance(layer, OPAQUE) else layer_kernel(layer)


def _tensors(values: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(values) if ops.is_tensor(leaf)]


def _size(tensor: Any) -> int:
    return int(np.prod(tensor.shape))


def _spread(tensor: Any, number: int) -> Any:
    """Numbers between -8 and 8 that cover this range evenly, of the same shape."""
    places = (np.arange(1, _size(tensor) + 1) * _GOLDEN + number * _OTHER) % 1.0
    values = (_LARGEST * (2 * places - 1)).reshape(tuple(tensor.shape))
    return ops.convert_to_tensor(values.astype("float32"), dtype=tensor.dtype)
