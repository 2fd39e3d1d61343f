"""Which layer reads which, and where tensors are added or joined.

A layer such as `Add` shows what it adds. `x + y` in a `call` does not: a tensor that no
layer made is compared with the sums of two that are known, at a few hundred places.
"""

import collections
import weakref
from typing import Any

from keras import layers

from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import flat, is_float_tensor
from keras_initx.diagnostics._measure.excerpts import Excerpt, excerpt_of, terms
from keras_initx.diagnostics._measure.merges import INPUT, Merge, Part
from keras_initx.diagnostics._measure.path_of_call import path_of
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder

_MERGES = (layers.Add, layers.Average, layers.Subtract, layers.Concatenate)
# So many tensors of one shape are compared.
_KNOWN = 12


class Flow(Recorder):
    """Watches which layer reads which, and what is merged.

    Attributes:
        merges: list of Merge.
        readers: dict. For the path of a layer, those of the layers that get its output,
            in a sum too.
        lost: list of str. The paths of the layers that get what no layer made, such as
            what a function in a `call` made of the output of one.
    """

    def __init__(self) -> None:
        self.merges: list[Merge] = []
        self.readers: dict[str, list[str]] = collections.defaultdict(list)
        self.lost: list[str] = []
        self._makers: dict[int, tuple[Any, str]] = {}
        self._excerpts: dict[Any, collections.deque[Excerpt]] = collections.defaultdict(
            lambda: collections.deque(maxlen=_KNOWN)
        )

    def enter(self, call: LayerCall, state: LayerState) -> None:
        if call.number > 1:
            return
        if call.parents:
            self._read(call)
            return
        # The model itself gets the inputs.
        for leaf in _float_tensors(call):
            self._made(leaf, INPUT)

    def finish(self, call: LayerCall, state: LayerState, tensor: Any) -> None:
        if tensor is not None:
            self._made(tensor, state.row.path, state.is_container)

    def _made(self, tensor: Any, path: str, is_container: bool = False) -> None:
        """Notes which layer made a tensor, or that it is an input."""
        if is_container and self._maker(tensor) is None:
            for part in self._parts(tensor, path):
                self.readers[part.path].append(path)
        # Another tensor may get the same id later.
        self._makers[id(tensor)] = (weakref.ref(tensor), path)
        if tensor.shape and len(tensor.shape) > 1:
            self._excerpts[tuple(tensor.shape)].append(excerpt_of(tensor, path))

    def _read(self, call: LayerCall) -> None:
        """Notes what a layer gets."""
        tensors, path = _float_tensors(call), path_of(call)
        for tensor in tensors:
            maker = self._maker(tensor) or self._sum(tensor, path)
            if maker is None:
                self.lost.append(path)
            elif maker != path:
                self.readers[maker].append(path)
        if isinstance(call.layer, _MERGES) and len(tensors) > 1:
            parts = (
                Part(self._maker(each) or "", excerpt_of(each).std) for each in tensors
            )
            self.merges.append(Merge(path, type(call.layer).__name__, tuple(parts)))

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
        self._made(tensor, name)
        return name

    def _parts(self, tensor: Any, path: str) -> tuple[Part, ...]:
        """The two known tensors of which this is the sum, in a merge of this path."""
        if len(tensor.shape) < 2:
            return ()
        found = terms(excerpt_of(tensor), self._excerpts.get(tuple(tensor.shape), ()))
        if found is None:
            return ()
        self.merges.append(Merge(path, "+", found))
        return found


def _float_tensors(call: LayerCall) -> list[Any]:
    arguments = flat((call.args, call.kwargs))
    return [leaf for leaf in arguments if is_float_tensor(leaf)]
