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
# So many values are compared, always the same number: JAX compiles for each shape.
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
    is_half = _is_half(before) or _is_half(after)
    largest = max(1.0, float(np.abs(h).max()))
    if np.abs(h - z).max() <= (_HALF if is_half else _EXACT) * largest:
        return None
    errors = []
    for function in _functions():
        values = ops.convert_to_numpy(function(ops.convert_to_tensor(z)))
        errors.append(float(np.abs(h - values).max()) / largest)
        if errors[-1] <= _EXACT:
            return function
    best = int(np.nanargmin(errors))
    return _functions()[best] if is_half and errors[best] <= _HALF else NotImplemented


@functools.cache
def _functions() -> list[Callable[[Any], Any]]:
    found = [getattr(keras.activations, name, None) for name in _NAMES]
    # `keras.ops.gelu` is this one, unless it is told otherwise.
    approximate = functools.partial(keras.activations.gelu, approximate=True)
    others = [approximate, ops.sin, ops.abs, ops.square]
    return [each for each in (*found, *others) if each is not None]


def _sample(tensor: Any) -> np.ndarray:
    values = as_array(tensor).reshape(-1)[:_VALUES].astype("float32")
    return np.resize(values, _VALUES)


def _is_half(tensor: Any) -> bool:
    return keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16")
