"""Whether layers hold the weights that they were made with."""

import math
from typing import Any

import keras
import numpy as np

from keras_initx._backend import stored
from keras_initx._backend.global_seeds import own_global_seeds
from keras_initx._model.fresh import FreshLayer, has_seed
from keras_initx._model.layer_tree import own_variables
from keras_initx._model.tensors import as_array

# Two samples of so many numbers from one law differ by more than this in their
# distribution functions once in a million times (Kolmogorov and Smirnov):
# sqrt(log(2e6) / 2) = 2.7 times sqrt(2 / entries).
_ENTRIES, _LIMIT = 10_000, math.sqrt(math.log(2e6) / 2)
_SEED = 1
# So many kernels are drawn again. On JAX each shape costs a second or so.
_DRAWN = 8
_SIMPLE = {keras.initializers.Zeros: 0.0, keras.initializers.Ones: 1.0}


def is_fresh(layers: list[keras.layers.Layer]) -> bool:
    """Whether all that is known of the weights of these layers is as when drawn.

    Biases, gammas and moving statistics are constants then, and a kernel has the
    distribution of its initializer. At least one kernel is drawn at random.
    """
    known: dict[str, Any] = {}
    pairs = []
    with own_global_seeds():
        for layer in layers:
            if hasattr(layer, "adapt"):
                return False
            new = FreshLayer(layer, _SEED, known)
            for variable in own_variables(layer):
                if keras.backend.is_float_dtype(variable.dtype):
                    pairs.append((variable, new.initializer(variable)))
        # What costs least, and tells most, comes first.
        given = [(v, made) for v, made in pairs if made and not _is_random(made)]
        drawn = [(v, made) for v, made in pairs if made and _is_random(made)]
        chosen = drawn[:: max(1, -(-len(drawn) // _DRAWN))]
        return bool(drawn) and all(_is_as_made(*pair) for pair in [*given, *chosen])


def _is_random(initializer: Any) -> bool:
    return isinstance(initializer, keras.initializers.Initializer) and has_seed(
        initializer
    )


def _is_as_made(variable: keras.Variable, initializer: Any) -> bool:
    value = as_array(stored(variable)).astype("float64").ravel()
    if type(initializer) in _SIMPLE:
        return bool((value == _SIMPLE[type(initializer)]).all())
    drawn = initializer(tuple(variable.shape), dtype=variable.dtype)
    drawn = as_array(keras.ops.convert_to_tensor(drawn)).astype("float64").ravel()
    if not _is_random(initializer):
        return bool(np.allclose(value, drawn, rtol=1e-6, atol=0))
    step = max(1, value.size // _ENTRIES)
    return _distance(value[::step], drawn[::step]) <= _LIMIT * math.sqrt(
        2 / len(value[::step])
    )


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of two empirical distribution functions."""
    places = np.concatenate([one, other])
    counts = [
        np.searchsorted(np.sort(each), places, side="right") / each.size
        for each in (one, other)
    ]
    return float(np.abs(counts[0] - counts[1]).max())
