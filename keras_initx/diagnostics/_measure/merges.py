"""Where a model adds or joins tensors, how large each is, and which layer reads which.

A layer such as `Add` shows what it adds. `x + y` in a `call` does not: a tensor that no
layer made is compared with the sums of two that are known, at a few hundred places.
"""

import collections
import dataclasses
import math
import weakref
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_initx._backend import view
from keras_initx._model.tensors import as_array, is_float_tensor

_SUMS = (layers.Add, layers.Average, layers.Subtract)
_MERGES = (*_SUMS, layers.Concatenate)
# So many entries of a tensor, and so many tensors of one shape, are compared.
_ENTRIES, _KNOWN = 256, 12
# With fewer entries a sum may be one by chance.
_FEW = 32
# What a sum may differ from one, and how far a term is above the rounding of it.
_CLOSE, _ABOVE_ROUNDING = 1e-3, 100
_ALIKE = 0.999
# The steps of the numbers, relative to them; that of float32 for what is not here.
_ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float64": 2.0**-53}
# What stands for the path of the layer that made an input of the model.
INPUT = "input"


@dataclasses.dataclass(frozen=True)
class Part:
    """One of the tensors that are merged.

    Attributes:
        path: str. That of the layer that made it; empty if it is not known.
        std: float. Its standard deviation, at a few hundred places.
    """

    path: str
    std: float


@dataclasses.dataclass(frozen=True)
class Merge:
    """Tensors that become one.

    Attributes:
        path: str. That of the layer that merges them, or gets them merged.
        type: str. The name of the class; `"+"` for a sum in a `call`.
        parts: tuple of Part.
    """

    path: str
    type: str
    parts: tuple[Part, ...]


@dataclasses.dataclass(frozen=True)
class _Print:
    """What is kept of a tensor."""

    path: str
    values: np.ndarray
    rounding: float

    @property
    def std(self) -> float:
        return float(self.values.std())


class Flow:
    """Watches which layer reads which, and what is merged.

    Attributes:
        merges: list of Merge.
        readers: dict. For the path of a layer, those of the layers that get its output,
            in a sum too.
        lost: list. The paths of layers that get something of which it is not known
            which layer made it, such as what a function in a `call` made.
    """

    def __init__(self) -> None:
        self.merges: list[Merge] = []
        self.readers: dict[str, list[str]] = collections.defaultdict(list)
        self.lost: list[str] = []
        self._makers: dict[int, tuple[Any, str]] = {}
        self._prints: dict[Any, collections.deque[_Print]] = collections.defaultdict(
            lambda: collections.deque(maxlen=_KNOWN)
        )

    def made(self, tensor: Any, path: str, is_container: bool = False) -> None:
        """Notes which layer made a tensor, or that it is an input."""
        if is_container and self._maker(tensor) is None:
            for part in self._parts(tensor, path):
                self.readers[part.path].append(path)
        # Another tensor may get the same id later.
        self._makers[id(tensor)] = (weakref.ref(tensor), path)
        if tensor.shape and len(tensor.shape) > 1:
            self._prints[_key(tensor)].append(_print(tensor, path))

    def read(self, layer: layers.Layer, path: str, arguments: Any) -> None:
        """Notes what a layer gets."""
        tensors = [
            leaf for leaf in keras.tree.flatten(arguments) if is_float_tensor(leaf)
        ]
        for tensor in tensors:
            maker = self._maker(tensor) or self._sum(tensor, path)
            if maker is None:
                self.lost.append(path)
            elif maker != path:
                self.readers[maker].append(path)
        if isinstance(layer, _MERGES) and len(tensors) > 1:
            parts = (
                Part(self._maker(each) or "", _print(each, "").std) for each in tensors
            )
            self.merges.append(Merge(path, type(layer).__name__, tuple(parts)))

    def _maker(self, tensor: Any) -> str | None:
        reference, path = self._makers.get(id(tensor), (lambda: None, None))
        return path if reference() is tensor else None

    def _sum(self, tensor: Any, reader: str) -> str | None:
        """Whether a tensor is the sum of two known ones; the name of this sum."""
        parts = self._parts(tensor, reader)
        if not parts:
            return None
        name = f"the sum before {reader}"
        for part in parts:
            self.readers[part.path].append(name)
        self.made(tensor, name)
        return name

    def _parts(self, tensor: Any, path: str) -> tuple[Part, ...]:
        """The two known tensors of which this is the sum, in a merge of this path."""
        if len(tensor.shape) < 2:
            return ()
        found = _terms(_print(tensor, ""), self._prints.get(_key(tensor), ()))
        if found is None:
            return ()
        self.merges.append(Merge(path, "+", found))
        return found


def leads(readers: dict[str, list[str]], start: str, end: str) -> bool:
    """Whether there is a way from one layer to another."""
    waiting, seen = [start], set()
    while waiting:
        path = waiting.pop()
        if path == end and path != start:
            return True
        if path not in seen:
            seen.add(path)
            waiting += readers.get(path, ())
    return False


def _key(tensor: Any) -> tuple[Any, ...]:
    return tuple(tensor.shape)


def _print(tensor: Any, path: str) -> _Print:
    step = max(1, math.prod(tensor.shape) // _ENTRIES) | 1
    array = view(tensor)
    if isinstance(array, np.ndarray):
        values = array.flat[::step]
    else:
        # On another device: only these entries leave it.
        values = as_array(ops.reshape(tensor, (-1,))[::step])
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return _Print(path, values.astype("float64"), _ROUNDING.get(dtype, 2.0**-24))


def _terms(total: _Print, known: Iterable[_Print]) -> tuple[Part, Part] | None:
    """Two known tensors of which this is the sum: one, and any multiple of another."""
    prints = list(known)
    size = np.linalg.norm(total.values)
    if len(prints) < 2 or total.values.size < _FEW or not np.isfinite(size):
        return None
    noise = total.rounding * size
    values = np.stack([each.values for each in prints])
    rests = total.values - values
    with np.errstate(all="ignore"):
        # The multiple of each that is nearest to what is left without each other one.
        squares = (values**2).sum(1)
        factors = rests @ values.T / squares
        lengths = (rests**2).sum(1)[:, None]
        errors = np.sqrt(np.maximum(lengths - factors**2 * squares, 0))
        lengths = np.sqrt(lengths)
        fits = (errors <= _CLOSE * lengths + noise) & (
            lengths > _ABOVE_ROUNDING * noise
        )
    # Where several multiples fit, it is the tensor itself.
    found = sorted(np.argwhere(fits), key=lambda pair: abs(factors[tuple(pair)] - 1))
    for place, other in found:
        one, two = prints[place], prints[other]
        if place != other and not _are_multiples(one, two):
            factor = abs(float(factors[place, other]))
            return Part(one.path, one.std), Part(two.path, factor * two.std)
    return None


def _are_multiples(one: _Print, other: _Print) -> bool:
    product = abs(float(one.values @ other.values))
    sizes = np.linalg.norm(one.values) * np.linalg.norm(other.values)
    return not product < _ALIKE * sizes
