"""JAX: training, where the values of variables are passed as arguments."""

import collections
import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_initx._keras import (
    attach_jax_state,
    detach_jax_state,
    has_jax_values,
    outside_stateless_scope,
)


def run_train_step(
    model: keras.Model, data: Any, layers: list[keras.layers.Layer]
) -> None:
    """Runs `model.train_step` eagerly; the layers see tensors that have values.

    Keras hands the variables' values over as arguments, which are tracers where the
    step takes its gradient. The layers use the values on the variables instead. So the
    gradient is zero, and nobody may use it.
    """
    state = detach_jax_state(model, is_kept=True)
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_with_own_values(layer))
        model.train_step(state, data)


@contextlib.contextmanager
def _with_own_values(layer: keras.layers.Layer) -> Iterator[None]:
    """A context in which a layer runs outside Keras's stateless scopes."""
    attributes, function = vars(layer), layer.call
    before = attributes.get("call")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with outside_stateless_scope():
            return function(*args, **kwargs)

    attributes["call"] = call
    try:
        yield
    finally:
        if before is None:
            del attributes["call"]
        else:
            attributes["call"] = before


def before_training(
    model: keras.Model, looks: list[tuple[int, Callable[[list[Any]], None]]]
) -> Callable[..., Any]:
    """The model's train function, whose next call begins with the `looks`.

    Each gets the next batches, as many as the largest number says; then training does.
    `fit` takes the values off the variables and passes them on: they are put back for
    the looks. `train_on_batch` leaves them there.
    """
    train_function = model.train_function
    waiting: collections.deque[Any] = collections.deque()
    source: Any = None

    def function(state: tuple[Any, ...], iterator: Any) -> Any:
        nonlocal source
        this, model.train_function = model.train_function, train_function
        if iterator is not source:
            # Batches left over from a stopped training are not for another one.
            waiting.clear()
            source = iterator
        if looks:
            count = max(count for count, _ in looks)
            has_values_already = has_jax_values(model)
            attach_jax_state(model, state)
            try:
                missing = max(0, count - len(waiting))
                waiting.extend(itertools.islice(iterator, missing))
                for _, look in looks:
                    look(list(waiting))
            except BaseException:
                if not has_values_already:
                    _skip_averages(model.optimizer)
                raise
            looks.clear()
            state = detach_jax_state(model, is_kept=has_values_already)
        shown = (waiting.popleft() for _ in range(len(waiting)))
        results = train_function(state, itertools.chain(shown, iterator))
        if waiting:
            model.train_function = this
        return results

    return function


def _skip_averages(optimizer: keras.optimizers.Optimizer) -> None:
    """Lets the next call of `optimizer.finalize_variable_values` do nothing.

    With `use_ema` it sets the weights to their moving averages, which are zero before
    the first step; and `fit` calls it even when an error ends it.
    """
    name = "finalize_variable_values"
    attributes = vars(optimizer)
    attributes[name] = lambda *_: attributes.pop(name)
