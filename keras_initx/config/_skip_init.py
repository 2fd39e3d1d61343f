"""A context in which models are built without random numbers."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_initx._model.hooks import Hooks
from keras_initx._model.weight_arguments import weight_arguments
from keras_initx.config._skip.undrawn import Undrawn, is_random
from keras_initx.config._skip.untouched import HOOKS, mark, skipping


@contextlib.contextmanager
def skip_init() -> Iterator[None]:
    """Context manager: layers that are built in it draw no random numbers.

    For a model whose weights come from a checkpoint. Each weight whose initializer has
    a seed starts as zeros instead, which take neither time nor a second copy of the
    weights. Constants, such as the ones of a normalization, stay, and so does what a
    function computes. Configs name the right initializers, so that a saved model is the
    same as without the context, and `keras_initx.schemes.reinitialize` can draw later
    what was skipped.

    Whoever trains such weights and has not set them gets a warning, once: at `fit`,
    `train_on_batch` and `Optimizer.apply`. All of `load_weights`, `set_weights` and
    `assign` set them. A new head, which the checkpoint does not have, is named too.

    Only what is built within the block is skipped, `fit` excepted. Python's own
    generator moves on as it does without the context, because initializers and dropout
    layers without a seed take one when they are made. So what is drawn later, such as
    the masks of a dropout, is the same with the context and without it. A
    `keras.random.SeedGenerator` that an initializer has does not move on.

    The context holds for the thread that opens it. It is also a decorator.

    Examples:
    >>> with keras_initx.skip_init():
    ...     model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model.layers[0].get_weights()[0].tolist()
    [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    with _HOOKS.held(), HOOKS.held(), skipping.opened(True):
        yield


def _add_weight(
    original: Callable[..., Any], layer: keras.layers.Layer, *args: Any, **kwargs: Any
) -> keras.Variable:
    """Around `Layer.add_weight`."""
    is_skipped = (skipping.values() or [False])[-1]
    arguments = weight_arguments(layer, args, kwargs) if is_skipped else None
    if arguments is None or not is_random(arguments):
        return original(layer, *args, **kwargs)
    variable = original(layer, **{**arguments, "initializer": Undrawn()})
    mark(variable)
    return variable


_HOOKS = Hooks((keras.layers.Layer, "add_weight", _add_weight))
