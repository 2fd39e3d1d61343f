"""Inputs for a model, where nobody gives any."""

from typing import Any

import keras
import numpy as np

from keras_initx import _validate


def example_batch(owner: str, model: keras.layers.Layer) -> Any:
    """Zeros of the shapes that the model says its inputs have."""
    if not hasattr(model, "input"):
        raise _validate.error(owner, "x", "none", "Pass `x`.")
    return keras.tree.map_structure(
        lambda t: np.zeros([n or 2 for n in t.shape], t.dtype), model.input
    )
