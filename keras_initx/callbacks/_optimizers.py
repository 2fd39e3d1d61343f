"""What the optimizers of a model know about its training."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._keras import trained_variables


def steps(model: keras.Model) -> int:
    """How many batches the model has been trained with.

    `model.optimizer.iterations` alone would not do: with gradient accumulation it
    counts updates, and a model may have optimizers of its own.
    """
    counters: list[Any] = [0]
    for optimizer in _optimizers(model):
        counters.append(optimizer.iterations)
        counters += [each for each in optimizer.variables if each.name == "iteration"]
    return max(int(ops.convert_to_numpy(counter)) for counter in counters)


@contextlib.contextmanager
def copies_follow(model: keras.Model) -> Iterator[None]:
    """A context that changes weights; then optimizers that train copies have them too.

    `ScheduleFreeAdamW` would set the weights back to the copies that it made when it
    was built.
    """
    copies = [
        pair
        for optimizer in _optimizers(model)
        for kept in vars(optimizer).values()
        for pair in _copies(kept, trained_variables(optimizer))
    ]
    yield
    for copy, weight in copies:
        copy.assign(ops.copy(weight.value))


def _optimizers(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """All optimizers of a model, with those within others."""
    found = [
        value
        for value in vars(model).values()
        if isinstance(value, keras.optimizers.Optimizer)
    ]
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
