"""Inputs for a model, where nobody gives any."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import keras
import numpy as np

from keras_initx import _validate

_Found = TypeVar("_Found")

# Images of some networks must not be small, and large ones cost time.
_SIZES = (32, 128, 224)
# One sample is special: its batch axis looks like one to broadcast.
_SAMPLES = 2


def on_example(
    owner: str, model: keras.layers.Layer, look: Callable[[Any], _Found]
) -> _Found:
    """What `look` finds on inputs of zeros.

    Raises:
        ValueError: If the model does not say which inputs it takes.
    """
    reason = None
    for batch in example_batches(model):
        try:
            return look(batch)
        except Exception as error:
            # A size that the model leaves open may be too small for it.
            reason = error
    raise _validate.error(
        owner,
        "a batch of inputs `x`, unless the model is a Functional or Sequential one "
        "that is built",
        f"x=None, the model {model.name!r} of class {type(model).__name__}",
        "Pass a few samples: only their shapes matter.",
    ) from reason


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
