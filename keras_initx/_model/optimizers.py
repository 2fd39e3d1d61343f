"""The optimizers of a model: what they know about its training, and a new start."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._keras import preserve_names, trained_variables


def steps(model: keras.Model) -> int:
    """How many batches the model has been trained with.

    `model.optimizer.iterations` alone would not do: with gradient accumulation it
    counts updates, and a model may have optimizers of its own.
    """
    counters: list[Any] = [0]
    for optimizer in _all_optimizers(model):
        counters.append(optimizer.iterations)
        counters += [each for each in optimizer.variables if each.name == "iteration"]
    return max(int(ops.convert_to_numpy(counter)) for counter in counters)


@contextlib.contextmanager
def copies_follow(model: keras.layers.Layer) -> Iterator[None]:
    """A context that changes weights; then optimizers that train copies have them too.

    `ScheduleFreeAdamW` would set the weights back to the copies that it made when it
    was built.
    """
    copies = [
        pair
        for optimizer in _all_optimizers(model)
        for kept in vars(optimizer).values()
        for pair in _copies(kept, trained_variables(optimizer))
    ]
    yield
    for copy, weight in copies:
        copy.assign(ops.copy(weight.value))


def optimizers_of(model: keras.layers.Layer) -> list[keras.optimizers.Optimizer]:
    """The optimizers that a model holds itself; others may be within them."""
    held = vars(model).values()
    return [each for each in held if isinstance(each, keras.optimizers.Optimizer)]


def optimizer_of(model: keras.layers.Layer) -> keras.optimizers.Optimizer | None:
    """The optimizer of a compiled model that takes the steps; None without a rate.

    Of a `LossScaleOptimizer` it is the inner one. One that hands each variable to
    another optimizer has no rate of its own.
    """
    found = getattr(model, "optimizer", None) if is_compiled(model) else None
    if isinstance(found, keras.optimizers.LossScaleOptimizer):
        found = found.inner_optimizer
    several = getattr(keras.optimizers, "MultiOptimizer", ())
    if isinstance(found, several) or not isinstance(found, keras.optimizers.Optimizer):
        return None
    return found


def is_compiled(model: keras.layers.Layer) -> bool:
    """Whether `compile` was called."""
    return bool(getattr(model, "compiled", False))


def rate_of(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate at present, as it was written: 0.3, which float32 has not."""
    return float(str(np.float32(ops.convert_to_numpy(optimizer.learning_rate))))


def begin_again(
    optimizer: keras.optimizers.Optimizer, assign: Callable[[keras.Variable, Any], None]
) -> None:
    """Sets the slots and the counters of an optimizer to those of a new one.

    Its learning rate stays. What it trains has to have its new values already: some
    optimizers begin with copies of them. If it is not built, nothing happens.

    Args:
        optimizer: keras.optimizers.Optimizer.
        assign: function `(variable, value)`.
    """
    if not optimizer.built:
        return
    with preserve_names():
        twin = type(optimizer).from_config(optimizer.get_config())
        twin.build(trained_variables(optimizer))
    for variable, other in zip(optimizer.variables, twin.variables, strict=True):
        assign(variable, other.value)


def _all_optimizers(model: keras.layers.Layer) -> list[keras.optimizers.Optimizer]:
    """All optimizers of a model, with those within others."""
    found = optimizers_of(model)
    for optimizer in found:
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            found.append(optimizer.inner_optimizer)
        elif isinstance(optimizer, keras.optimizers.MultiOptimizer):
            found.extend(optimizer.optimizers)
    return found


def _copies(kept: Any, weights: list[keras.Variable]) -> list[tuple[Any, Any]]:
    """Each variable with its weight, if an optimizer has kept copies of all weights.

    A momentum, which begins with zeros, is no copy of the kernels.
    """
    if not isinstance(kept, list) or len(kept) != len(weights):
        return []
    pairs = list(zip(kept, weights, strict=True))
    has_values = False
    for variable, weight in pairs:
        if variable is weight or not isinstance(variable, keras.Variable):
            return []
        values = ops.convert_to_numpy(variable)
        if not np.array_equal(values, ops.convert_to_numpy(weight)):
            return []
        has_values = has_values or bool(values.any())
    return pairs if has_values else []
