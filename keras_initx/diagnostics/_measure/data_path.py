"""Which tensors of a pass are the data, as no kernel has changed it yet."""

import dataclasses
import math
import weakref
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_initx._keras import own_trainable_variables
from keras_initx._model.tensors import as_array, flat, is_tensor
from keras_initx._model.trace import LayerCall

# Values that are cast to bfloat16 stay equal within this.
_ROUNDING = 2**-7
# So many entries, evenly spaced, are compared.
_ENTRIES = 2**12


@dataclasses.dataclass
class Origin:
    """Where data comes from.

    Attributes:
        leaves: tuple of int. The inputs that it is made of, from 0.
        is_raw: bool. Whether it is an input itself, maybe in another shape or dtype.
    """

    leaves: tuple[int, ...]
    is_raw: bool


class DataPath:
    """Follows the inputs of a model through layers that have nothing to train.

    Such layers scale, flatten, pad, pool, crop and join the data. What an operation
    outside of a layer makes of it is not known, unless it only changes shape or dtype.
    """

    def __init__(self) -> None:
        # By the identities of tensors; None for one that is no data.
        self._known: dict[int, tuple[weakref.ref[Any], Origin | None]] = {}
        self._data: list[tuple[weakref.ref[Any], Origin]] = []

    def start(self, inputs: Any) -> None:
        """Notes the inputs of the model."""
        leaves = [leaf for leaf in flat(inputs) if hasattr(leaf, "shape")]
        for place, leaf in enumerate(leaves):
            self._add(leaf, Origin((place,), True))

    def origin(self, tensor: Any) -> Origin | None:
        """Where a tensor comes from; None if it is not the data."""
        if self._has(tensor):
            return self._known[id(tensor)][1]
        for reference, origin in self._data:
            other = reference()
            if other is not None and _is_same(tensor, other):
                self._add(tensor, origin)
                return origin
        return None

    def pass_on(self, call: LayerCall, output: Any, has_kernels: bool) -> None:
        """Notes what a layer makes of the data, or that it is data no more."""
        leaves = [leaf for leaf in flat(output) if is_tensor(leaf)]
        places = () if has_kernels else self._places(call)
        for leaf in leaves:
            # What flattens or reshapes an input leaves it as it is.
            if not places:
                self._add(leaf, None)
            elif self.origin(leaf) is None:
                self._add(leaf, Origin(places, False))

    def _places(self, call: LayerCall) -> tuple[int, ...]:
        """The inputs that a layer gets without a change by training; () if others."""
        if own_trainable_variables(call.layer):
            return ()
        tensors = [leaf for leaf in flat(call.args) if is_tensor(leaf)]
        origins = [self.origin(tensor) for tensor in tensors]
        found = [origin for origin in origins if origin is not None]
        is_join = isinstance(call.layer, layers.Concatenate)
        if len(found) < len(origins) and not is_join:
            return ()
        return tuple(sorted({place for origin in found for place in origin.leaves}))

    def _add(self, tensor: Any, origin: Origin | None) -> None:
        # A layer may hand its input on: the first word counts.
        if self._has(tensor):
            return
        reference = weakref.ref(tensor)
        self._known[id(tensor)] = reference, origin
        if origin is not None:
            self._data.append((reference, origin))

    def _has(self, tensor: Any) -> bool:
        """Whether this tensor is known, and not a later one with its identity."""
        known = self._known.get(id(tensor))
        return known is not None and known[0]() is tensor


def _is_same(tensor: Any, other: Any) -> bool:
    """Whether one is the other in another shape or dtype."""
    sizes = [math.prod(each.shape) for each in (tensor, other)]
    if sizes[0] != sizes[1] or not sizes[0]:
        return False
    if not (_is_number(tensor) and _is_number(other)):
        return False
    step = max(1, sizes[0] // _ENTRIES)
    one, two = (
        as_array(each).reshape(-1)[::step].astype("float64") for each in (tensor, other)
    )
    with np.errstate(all="ignore"):
        is_close = np.allclose(one, two, rtol=_ROUNDING, atol=0, equal_nan=True)
    return bool(is_close and np.any(two != 0))


def _is_number(tensor: Any) -> bool:
    try:
        dtype = str(keras.backend.standardize_dtype(tensor.dtype))
    except ValueError:
        # Strings, or objects.
        return False
    return dtype.startswith(("float", "bfloat", "int", "uint", "bool"))
