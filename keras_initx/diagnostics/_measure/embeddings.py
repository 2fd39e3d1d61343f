"""What is measured of embeddings: their scale, and that of positions added to them."""

import dataclasses
import weakref
from typing import Any

import numpy as np
from keras import layers, ops

from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import as_array, flat, is_float_tensor
from keras_initx.diagnostics._measure.path_of_call import path_of
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder
from keras_initx.diagnostics._measure.rows import LayerRow

_SAMPLES, _POSITIONS = 8, 64
# What is left over where a tensor is not a multiple of the tokens plus positions.
_REST = 1e-4


@dataclasses.dataclass
class EmbeddingScale:
    """The scale of what one embedding puts out.

    Attributes:
        path: str. The layer's path in the model.
        vocabulary: int. The number of its rows.
        dimension: int. The number of its columns.
        std: float. The standard deviation of its outputs.
        logits_std: float or None. That of the model's outputs, where these are products
            with the same table.
        positions: str. The path of the layer in which positions were added, or empty.
        positions_std: float. How much what is added varies over positions.
        tokens_std: float. How much the tokens vary where it is added.
    """

    path: str
    vocabulary: int
    dimension: int
    std: float
    logits_std: float | None = None
    positions: str = ""
    positions_std: float = 0.0
    tokens_std: float = 0.0

    @property
    def drowning(self) -> float:
        """How many times as large as the tokens the positions are."""
        return self.positions_std / self.tokens_std if self.tokens_std > 0 else 0.0


class EmbeddingWatch(Recorder):
    """Sees embeddings in a pass, and what is added to them.

    Attributes:
        found: list of EmbeddingScale. One for each embedding, from its first call.
    """

    def __init__(self) -> None:
        self.found: list[EmbeddingScale] = []
        # The last embedding of tokens, until a kernel changes it.
        self._tokens: _Tokens | None = None

    def enter(self, call: LayerCall, state: LayerState) -> None:
        self._compare(call, call.args)

    def leave(self, call: LayerCall, output: Any) -> None:
        self._compare(call, output)

    def finish(self, call: LayerCall, state: LayerState, tensor: Any) -> None:
        if isinstance(call.layer, layers.Embedding):
            self._add(call, tensor, state.row.std)
        elif state.row.fan_in is not None:
            # What comes after a kernel is no embedding.
            self._tokens = None

    def end(self, outputs: Any, rows: list[LayerRow]) -> None:
        """Looks for outputs that are products with the table of an embedding.

        An output of as many units as a layer with a kernel has is made by such a layer.
        """
        units = {row.units for row in rows if row.fan_in is not None}
        for output in flat(outputs):
            if not is_float_tensor(output) or len(output.shape) < 3:
                continue
            size = output.shape[-1]
            for scale in self.found:
                if size == scale.vocabulary and size not in units:
                    scale.logits_std = float(np.std(_part(output), dtype="float64"))

    def _add(self, call: LayerCall, output: Any, std: float | None) -> None:
        """Notes an embedding that has run."""
        layer, ids = call.layer, call.args[0] if call.args else None
        if not is_float_tensor(output):
            return
        shape = (layer.input_dim, layer.output_dim)
        scale = EmbeddingScale(path_of(call), *shape, std or 0.0)
        self.found.append(scale)
        if ids is None or len(output.shape) != 3 or not _varies(ids):
            return
        if self._tokens is None:
            values = _part(output)
            self._tokens = _Tokens(scale, tuple(output.shape), values)
            self._tokens.seen = weakref.ref(output)

    def _compare(self, call: LayerCall, tensors: Any) -> None:
        """Looks for positions in what a layer gets, or puts out."""
        tokens = self._tokens
        if tokens is None or tokens.scale.positions:
            return
        for tensor in flat(tensors):
            is_same = tokens.seen() is tensor
            if is_same or not is_float_tensor(tensor):
                continue
            if tuple(tensor.shape) == tokens.shape:
                tokens.seen = weakref.ref(tensor)
                tokens.compare(path_of(call), _part(tensor))


@dataclasses.dataclass
class _Tokens:
    """The outputs of an embedding whose ids differ between samples."""

    scale: EmbeddingScale
    shape: tuple[int, ...]
    values: np.ndarray
    # What was compared last, so that it is not compared again.
    seen: Any = None

    def compare(self, path: str, values: np.ndarray) -> None:
        """Looks for positions in what has become of the tokens."""
        tokens = self.values - self.values.mean(axis=0)
        found = values - values.mean(axis=0)
        squares = float((tokens**2).sum())
        factor = float((tokens * found).sum()) / squares if squares > 0 else 0.0
        rest = float(((found - factor * tokens) ** 2).sum())
        # Where positions are far larger, their rounding is left over.
        rounding = values.size * (1e-6 * float(np.abs(values).max())) ** 2
        if factor == 0 or not rest <= _REST * float((found**2).sum()) + rounding:
            return
        positions = (values - factor * self.values).mean(axis=0)
        std = float(np.sqrt(np.mean((positions - positions.mean(axis=0)) ** 2)))
        if std > 1e-3 * float(np.sqrt(np.mean(found**2))):
            self.scale.positions, self.scale.positions_std = path, std
            self.scale.tokens_std = float(np.sqrt(np.mean(found**2)))


def _varies(ids: Any) -> bool:
    """Whether samples have different ids: positions have the same ones."""
    if not ops.is_tensor(ids) or len(ids.shape) != 2 or ids.shape[0] < 2:
        return False
    array = as_array(ids[:_SAMPLES])
    return bool((array != array[:1]).any())


def _part(tensor: Any) -> np.ndarray:
    """Some samples and positions."""
    step = max(1, -(-tensor.shape[1] // _POSITIONS))
    return as_array(tensor[:_SAMPLES, ::step]).astype("float64")
