"""The weights of attention: on how many keys each query looks.

Keras's layers, and layers written with `keras.ops`, take the softmax of their scores in
one function of the backend, or all of attention in another. Both are watched while the
model runs. Of large ones a part of samples, heads and queries is looked at.
"""

import contextlib
import dataclasses
import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from keras_initx._backend import has_values
from keras_initx._keras import module_of_softmax
from keras_initx._model.hooks import Hooks
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.layer_tree import label
from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import as_array, is_float_tensor

# A query that may look at fewer keys tells nothing.
_FEW_KEYS = 4
_SAMPLES, _QUERIES, _ENTRIES = 4, 64, 2**20
# A mask adds -1e4 at least.
_MASKED = -9e3
# Layers that only apply a function, for the layer that they are within.
_FUNCTIONS = (layers.Softmax, layers.Activation)


@dataclasses.dataclass
class AttentionWeights:
    """How one layer attends.

    Attributes:
        path: str. The layer's path in the model.
        type: str. The name of its class.
        keys: float. How many keys a query may look at, on average.
        largest: float. The largest weight of a query, on average.
        score_std: float. The standard deviation of the scores of a query.
        features: int or None. The size of a key, where it is known.
    """

    path: str
    type: str
    keys: float
    largest: float
    score_std: float
    features: int | None = None

    @property
    def sharpness(self) -> float:
        """0 if all keys count alike, and 1 if each query looks at one key only."""
        return (self.largest - 1 / self.keys) / (1 - 1 / self.keys)


class AttentionWatch:
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
        hooks = Hooks(
            *((module, name, seen) for name, seen in names.items())
            if hasattr(module, "dot_product_attention")
            else ()
        )
        with hooks.held():
            yield

    def enter(self, call: LayerCall) -> None:
        """A layer begins to run."""
        self._running.append(call)

    def leave(self, call: LayerCall) -> None:
        """A layer has run; what ran within it has too."""
        axes = getattr(call.layer, "axis", None)
        if isinstance(call.layer, layers.Softmax) and isinstance(axes, list | tuple):
            if len(axes) > 1 and self._sees(call.args[0]):
                # Attention over images: it is no softmax of the backend.
                self._note(_over_several(call, axes), None)
        while self._running and self._running.pop() is not call:
            pass
        if len(self._running) > 0:
            self._last = (_path(call), type(call.layer).__name__)

    def _softmax(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        weights = function(*args, **kwargs)
        if self._sees(weights) and len(args) > 0:
            axis = kwargs.get("axis", args[1] if len(args) > 1 else -1)
            if isinstance(axis, int) and self._is_over_positions(weights.shape, axis):
                self._note(_part(args[0], axis), None)
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
            self._note(_scores(given), int(given["query"].shape[-1]))
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
        if len(shape) < 3 or layer_kernel(self._running[-1].layer) is not None:
            return False
        keys = shape[axis]
        if axis % len(shape) == len(shape) - 1 and shape[-2] == keys:
            return True
        inputs = [
            leaf
            for call in self._running
            for leaf in (*call.args, *call.kwargs.values())
            for leaf in (leaf if isinstance(leaf, list | tuple) else [leaf])
            if ops.is_tensor(leaf)
        ]
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
        result = _weights(scores)
        if result is not None:
            self.found.append(AttentionWeights(path, name, *result, features))

    def _where(self) -> tuple[str, str]:
        """The path and type of the layer that attends."""
        calls = [c for c in self._running if not isinstance(c.layer, _FUNCTIONS)]
        if len(calls) > 1:
            return _path(calls[-1]), type(calls[-1].layer).__name__
        if len(self._running) > 1:
            # A layer of the model's own that is nothing but a softmax.
            return _path(self._running[-1]), type(self._running[-1].layer).__name__
        # An operation between the layers of the model.
        return self._last if self._last[0] else (_path(calls[0]), "")


def _path(call: LayerCall) -> str:
    return label(call.layer)


def _features(call: LayerCall) -> int | None:
    """The size of the keys of Keras's `Attention`, whose inputs are its keys."""
    if not isinstance(call.layer, layers.Attention) or not call.args:
        return None
    inputs = call.args[0]
    return int(inputs[0].shape[-1]) if isinstance(inputs, list | tuple) else None


def _part(scores: Any, axis: int) -> np.ndarray:
    """Scores of shape `(queries, keys)`: a part of a softmax's inputs."""
    array = np.moveaxis(as_array(scores[:_SAMPLES]).astype("float32"), axis, -1)
    array = array.reshape(-1, array.shape[-1])
    step = max(1, math.ceil(array.size / _ENTRIES))
    return array[::step]


def _over_several(call: LayerCall, axes: Sequence[int]) -> np.ndarray:
    """Scores of shape `(queries, keys)`: the inputs of a softmax over several axes."""
    array = as_array(call.args[0][:_SAMPLES]).astype("float32")
    mask = call.args[1] if len(call.args) > 1 else call.kwargs.get("mask")
    if mask is not None:
        array = np.where(as_array(mask)[:_SAMPLES].astype(bool), array, -np.inf)
    array = np.moveaxis(array, axes, range(-len(axes), 0))
    keys = math.prod(array.shape[-len(axes) :])
    array = array.reshape(-1, keys)
    return array[:: max(1, math.ceil(array.size / _ENTRIES))]


def _scores(given: dict[str, Any]) -> np.ndarray:
    """Scores of shape `(queries, keys)`, from queries and keys."""
    query, key = (
        as_array(given[name][:_SAMPLES]).astype("float32").swapaxes(1, 2)
        for name in ("query", "key")
    )
    if key.shape[1] != query.shape[1]:
        key = np.repeat(key, query.shape[1] // key.shape[1], axis=1)
    length = query.shape[2]
    places = np.unique(np.linspace(0, length - 1, _QUERIES).round().astype("int64"))
    heads = max(1, math.ceil(query[:, :, places, 0].size * key.shape[2] / _ENTRIES))
    query, key = query[:, ::heads, places], key[:, ::heads]
    scale = given.get("scale") or 1 / math.sqrt(query.shape[-1])
    scores = query @ key.swapaxes(-1, -2) * np.float32(scale)
    for name in ("bias", "mask"):
        if given.get(name) is not None:
            array = as_array(given[name])
            shape = (array.shape[0], array.shape[1], length, key.shape[2])
            array = np.broadcast_to(array, shape)[:_SAMPLES, :, places]
            array = array[:, ::heads] if array.shape[1] > 1 else array
            if name == "bias":
                scores = scores + array.astype("float32")
            else:
                scores = np.where(array, scores, -np.inf)
    if given.get("is_causal"):
        later = np.arange(key.shape[2]) > places[:, None]
        scores = np.where(later, -np.inf, scores)
    return scores.reshape(-1, scores.shape[-1])


def _weights(scores: np.ndarray) -> tuple[float, float, float] | None:
    """Keys, largest weight and deviation of the scores, on average over queries.

    None if no query may look at several keys.
    """
    # Scores as large as a mask have values of both signs.
    top = scores.max(initial=-np.inf)
    visible = (scores > _MASKED) | (scores >= -10 * max(top, 0.0))
    visible &= np.isfinite(scores)
    counts = visible.sum(axis=-1)
    used = counts >= _FEW_KEYS
    if not used.any() or not np.isfinite(top):
        return None
    scores, visible, counts = scores[used], visible[used], counts[used]
    shown = np.where(visible, scores, -np.inf)
    exponents = np.exp(shown - shown.max(axis=-1, keepdims=True))
    largest = 1 / exponents.sum(axis=-1)
    means = np.where(visible, scores, 0).sum(axis=-1) / counts
    squares = np.where(visible, scores - means[:, None], 0) ** 2
    deviations = np.sqrt(squares.sum(axis=-1) / counts)
    return float(counts.mean()), float(largest.mean()), float(deviations.mean())
