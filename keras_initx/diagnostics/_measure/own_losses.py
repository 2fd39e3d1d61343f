"""Losses of one's own that broadcast: they are tried on a few samples."""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.task_parts import array_of

# So many samples are tried in a loss of one's own, and its numbers are float32.
_FEW, _ROUNDING = 8, 1e-5


def changes_if_aligned(function: Any, targets: np.ndarray, outputs: Any) -> bool:
    """Whether a loss is another one if its arguments have one shape.

    It has then compared each output with several targets; unless it also differs
    between the two ways to give them one shape, and so reads the shapes itself.
    """
    shape = tuple(outputs.shape)
    if targets.size != math.prod(shape) or targets.shape == shape:
        return False
    if targets.shape[:1] != shape[:1] or targets.dtype.kind not in "biuf":
        return False
    few = array_of(outputs[:_FEW]).astype("float32")
    own = targets[:_FEW].astype("float32")
    pairs = (own, few), (own.reshape(few.shape), few), (own, few.reshape(own.shape))
    try:
        given, one, other = (_mean_of(function, *pair) for pair in pairs)
    except Exception:
        # It is code of a user, which takes what it takes.
        return False
    return math.isclose(one, other, rel_tol=_ROUNDING) and not math.isclose(
        given, one, rel_tol=100 * _ROUNDING
    )


def _mean_of(function: Any, targets: np.ndarray, outputs: np.ndarray) -> float:
    losses_ = function(*map(ops.convert_to_tensor, (targets, outputs)))
    return float(np.mean(as_array(losses_)))
