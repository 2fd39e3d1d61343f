"""Some entries of each tensor, by which sums are recognized."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import view
from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.merges import Part

# So many entries of a tensor are compared.
_ENTRIES = 256
# With fewer entries a sum may be one by chance.
_FEW = 32
# What a sum may differ from one, and how far a term is above the rounding of it.
_CLOSE, _ABOVE_ROUNDING = 1e-3, 100
_ALIKE = 0.999
# The steps of the numbers, relative to them; that of float32 for what is not here.
_ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float64": 2.0**-53}


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """What is kept of a tensor.

    Attributes:
        path: str. That of the layer that made it; empty where that does not matter.
        values: array. Some of its entries, evenly spaced.
        rounding: float. The relative step of its numbers.
    """

    path: str
    values: np.ndarray
    rounding: float

    @property
    def std(self) -> float:
        """The standard deviation of the entries."""
        return float(self.values.std())


def excerpt_of(tensor: Any, path: str = "") -> Excerpt:
    """Entries of a tensor that the layer of this path made."""
    step = max(1, math.prod(tensor.shape) // _ENTRIES) | 1
    array = view(tensor)
    if isinstance(array, np.ndarray):
        values = array.flat[::step]
    else:
        # On another device: only these entries leave it.
        values = as_array(ops.reshape(tensor, (-1,))[::step])
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return Excerpt(path, values.astype("float64"), _ROUNDING.get(dtype, 2.0**-24))


def terms(total: Excerpt, known: Iterable[Excerpt]) -> tuple[Part, Part] | None:
    """Two known tensors of which this is the sum: one, and any multiple of another."""
    excerpts = list(known)
    size = np.linalg.norm(total.values)
    if len(excerpts) < 2 or total.values.size < _FEW or not np.isfinite(size):
        return None
    noise = total.rounding * size
    values = np.stack([each.values for each in excerpts])
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
        one, two = excerpts[place], excerpts[other]
        if place != other and not _are_multiples(one, two):
            factor = abs(float(factors[place, other]))
            return Part(one.path, one.std), Part(two.path, factor * two.std)
    return None


def _are_multiples(one: Excerpt, other: Excerpt) -> bool:
    product = abs(float(one.values @ other.values))
    sizes = np.linalg.norm(one.values) * np.linalg.norm(other.values)
    return not product < _ALIKE * sizes
