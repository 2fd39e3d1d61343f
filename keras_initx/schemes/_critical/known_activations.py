"""Activations by their values, where a model applies a function and no layer."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._model.tensors import as_array

# The names in `keras.activations`, the frequent ones first.
_NAMES = (
    "relu gelu silu tanh leaky_relu elu selu sigmoid softplus mish relu6 hard_silu "
    "softsign celu hard_tanh hard_sigmoid log_sigmoid squareplus sparse_plus "
    "sparse_sigmoid soft_shrink hard_shrink tanh_shrink exponential"
).split()
# Between these points a value is interpolated. Kinks of the activations are among them.
_GRID = np.arange(-16, 16 + 2**-9, 2**-9).astype("float32")
# So many values are compared.
_VALUES = 2**11
# Of the largest one: some roundings of float32, or of bfloat16.
_EXACT, _HALF = 1e-5, 1e-2


def which_activation(before: Any, after: Any) -> Any:
    """The function that makes one tensor from another one, entry by entry.

    Returns:
        None if they are equal, an activation of Keras, or `NotImplemented` if it is
        none of these.
    """
    z, h = _sample(before), _sample(after)
    largest = max(1.0, float(np.abs(h).max()))
    limit = _HALF if _is_half(before) or _is_half(after) else _EXACT
    if np.abs(h - z).max() <= limit * largest:
        return None
    if np.abs(z).max() > _GRID[-1]:
        return NotImplemented
    functions, tables = _known()
    errors = [
        float(np.abs(h - np.interp(z, _GRID, table)).max()) / largest
        for table in tables
    ]
    least = min(errors)
    if not least <= limit:
        return NotImplemented
    # The first of equal ones: CELU is ELU.
    near = max(_EXACT, 1.01 * least)
    return next(f for f, error in zip(functions, errors, strict=True) if error <= near)


@functools.cache
def _known() -> tuple[list[Callable[[Any], Any]], list[np.ndarray]]:
    """The activations, and their values on the grid."""
    found = [getattr(keras.activations, name, None) for name in _NAMES]
    # `keras.ops.gelu` is this one, unless it is told otherwise.
    approximate = functools.partial(keras.activations.gelu, approximate=True)
    others = [approximate, ops.sin, ops.abs, ops.square]
    functions = [each for each in (*found, *others) if each is not None]
    grid = ops.convert_to_tensor(_GRID)
    return functions, [ops.convert_to_numpy(each(grid)) for each in functions]


def _sample(tensor: Any) -> np.ndarray:
    return as_array(tensor).reshape(-1)[:_VALUES].astype("float32")


def _is_half(tensor: Any) -> bool:
    return keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16")
