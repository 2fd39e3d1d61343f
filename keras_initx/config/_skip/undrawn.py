"""Zeros that stand where random numbers would have been drawn."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import to_tensor
from keras_initx._backend.memory import aligned_zeros
from keras_initx._model.weight_arguments import has_default_initializer

# The others, such as bfloat16, are not NumPy's.
_DTYPES = ("float16", "float32", "float64")


class Undrawn(keras.initializers.Initializer):
    """Zeros, which take no memory where the operating system gives it when needed."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        dtype = keras.backend.standardize_dtype(dtype)
        # What is compiled for several devices must not hold an array.
        is_distributed = keras.distribution.distribution() is not None
        if dtype not in _DTYPES or is_distributed or 0 in shape:
            return ops.zeros(shape, dtype=dtype)
        array = aligned_zeros(tuple(shape), np.dtype(dtype))
        return ops.convert_to_tensor(to_tensor(array), dtype=dtype)


def is_random(arguments: dict[str, Any]) -> bool:
    """Whether `add_weight` with these arguments would draw random numbers.

    An initializer draws if it has a seed, which its config names. A function is called
    as it is: what it does is not known.
    """
    given = arguments.get("initializer")
    if has_default_initializer(arguments):
        given = "glorot_uniform"
    # An initializer that is made here takes a seed of Python's generator, as it would.
    initializer = keras.initializers.get(given)
    base = keras.initializers.Initializer
    if not isinstance(initializer, base) or not hasattr(initializer, "seed"):
        return False
    names_arguments = type(initializer).get_config is not base.get_config
    return not names_arguments or "seed" in initializer.get_config()
