"""What is found in the operations of a model, with a batch or without one."""

from collections.abc import Callable
from typing import Any, TypeVar

import keras

from keras_initx import _validate
from keras_initx._model.batches import one_batch
from keras_initx._model.example_batch import on_example
from keras_initx._model.observer import Observer
from keras_initx._model.trace import trace

T = TypeVar("T")


def recorded(
    owner: str,
    model: keras.layers.Layer,
    x: Any,
    find: Callable[[keras.layers.Layer, Any], T],
) -> tuple[T, Any]:
    """What `find(model, batch)` returns, and the batch.

    Args:
        owner: str. Who asks, for errors.
        model: keras.layers.Layer.
        x: What the model is called with, or None: then the batch has zeros.
        find: Callable. It records the operations of the model.

    Raises:
        ValueError: If `x` is needed, or if the operations cannot be recorded.
    """
    if x is not None:
        batch = one_batch(owner, x, 1)
        return _on_batch(owner, model, batch, find), batch
    return on_example(owner, model, lambda batch: (find(model, batch), batch))


def _on_batch(
    owner: str,
    model: keras.layers.Layer,
    batch: Any,
    find: Callable[[keras.layers.Layer, Any], T],
) -> T:
    """What is found on a batch."""
    try:
        return find(model, batch)
    except Exception as error:
        # If the model cannot be called at all, it is this error that tells why.
        trace(model, batch, Observer())
        raise _validate.error(
            owner,
            "a model whose operations can be traced, as in a compiled training step",
            f"the model {model.name!r}, whose trace ends in {type(error).__name__}",
            "In its `call`, use `keras.ops.where` or `keras.ops.cond` instead of an "
            "`if` on the values of tensors.",
        ) from error
