"""Inputs for a model, where nobody gives any."""

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

# Images of some networks must not be small, and large ones cost time.
_SIZES = (32, 128, 224)
# One sample is special: its batch axis looks like one to broadcast.
_SAMPLES = 2


def example_batches(model: keras.layers.Layer) -> Iterator[Any]:
    """Zeros of the shapes that a model says its inputs have; none if it does not say.

    A size that it leaves open is 32 in the first batch, and larger in the next ones.
    """
    inputs = _inputs(model)
    if inputs is None:
        return
    shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(inputs)]
    has_open_sizes = any(size is None for shape in shapes for size in shape)
    for size in _SIZES if has_open_sizes else _SIZES[:1]:
        zeros = functools.partial(_zeros, size=size)
        yield keras.tree.map_structure(zeros, inputs)


def _inputs(model: keras.layers.Layer) -> Any:
    """The symbolic inputs of a model that was made of them, or None."""
    if isinstance(model, keras.Sequential):
        inputs = getattr(model, "inputs", None)
        return inputs[0] if inputs else None
    # Other layers have an `input` only if they were called on symbolic tensors.
    return getattr(model, "input", None) if hasattr(model, "inputs") else None


def _zeros(tensor: keras.KerasTensor, size: int) -> np.ndarray:
    samples, *others = tensor.shape
    shape = [samples or _SAMPLES, *(size if n is None else n for n in others)]
    return np.zeros(shape, keras.backend.standardize_dtype(tensor.dtype))
