"""GPT-2 and BERT."""

import math
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.model_variables import ModelVariable
from keras_initx.schemes._depth.residuals import residuals_of
from keras_initx.schemes._depth.streams import streams_of
from keras_initx.schemes._reinitialize.presets.variable_roles import by_role

_STDDEV = 0.02


def gpt2(model: keras.layers.Layer, variables: list[ModelVariable]) -> dict[int, Any]:
    """Kernels and embeddings from N(0, 0.02^2), zero biases.

    The last kernel of each residual branch has the deviation 0.02 / sqrt(n), with n
    additions to the stream: two for each layer.
    """
    normal = keras.initializers.RandomNormal(stddev=_STDDEV)
    found = by_role(variables, _around(normal))
    try:
        streams = streams_of(residuals_of("reinitialize", model, None))
    except ValueError as error:
        raise _validate.error(
            "reinitialize",
            "for like='gpt2' a Functional or Sequential model with residual branches",
            f"the model {model.name!r} of class {type(model).__name__}",
            "Use like='bert', and rules for the last kernel of each branch.",
        ) from error
    for stream in streams:
        stddev = _STDDEV / math.sqrt(len(stream.branches))
        last = keras.initializers.RandomNormal(stddev=stddev)
        for branch in stream.branches:
            for each in branch.layers:
                if each.is_last and each.described is not None:
                    found[id(each.described.kernel)] = last
    return found


def bert(model: keras.layers.Layer, variables: list[ModelVariable]) -> dict[int, Any]:
    """Kernels and embeddings from N(0, 0.02^2), cut off at two deviations."""
    truncated = keras.initializers.TruncatedNormal(stddev=_STDDEV)
    return by_role(variables, _around(truncated))


def _around(initializer: Any) -> dict[str, Any]:
    """One initializer for kernels and embeddings, and what stands around them."""
    zeros = keras.initializers.Zeros()
    return {
        "kernel": initializer,
        "table": initializer,
        "bias": zeros,
        "gamma": keras.initializers.Ones(),
        "beta": zeros,
    }
