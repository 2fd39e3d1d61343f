"""TensorFlow: training, on one replica or on several."""

import collections
import functools
import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_initx._keras import spec_of_one_replica


def run_train_step(
    model: keras.Model, data: Any, layers: list[keras.layers.Layer]
) -> None:
    """Runs `model.train_step` eagerly; the layers see tensors that have values."""
    if model.distribute_strategy.num_replicas_in_sync > 1:
        raise RuntimeError("Several replicas cannot run the step together.")
    was_eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        model.train_step(data)
    finally:
        tf.config.run_functions_eagerly(was_eager)


def before_training(
    model: keras.Model, looks: list[tuple[int, Callable[[list[Any]], None]]]
) -> Callable[..., Any]:
    """The model's train function, whose next call begins with the `looks`.

    Each gets the next batches, as many as the largest number says; then training does:
    from iterators of the same type, so that the train function is not traced again.
    """
    train_function, strategy = model.train_function, model.distribute_strategy
    steps = model.steps_per_execution
    waiting: collections.deque[Any] = collections.deque()
    source: Any = None

    def function(iterator: Any) -> Any:
        nonlocal source
        this, model.train_function = model.train_function, train_function
        if iterator is not source:
            # Batches left over from a stopped training are not for another one.
            waiting.clear()
            source = iterator
        if looks:
            # A call of the train function takes so many, unless the data end.
            count = -(-max(count for count, _ in looks) // steps) * steps
            waiting.extend(itertools.islice(iterator, max(0, count - len(waiting))))
            batches = [_whole_batch(strategy, batch) for batch in waiting]
            for _, look in looks:
                look(batches)
            looks.clear()
        shown = [waiting.popleft() for _ in range(min(steps, len(waiting)))]
        if shown:
            iterator = _again(strategy, shown, iterator)
        results = train_function(iterator)
        if waiting:
            model.train_function = this
        return results

    return function


def _whole_batch(strategy: tf.distribute.Strategy, batch: Any) -> Any:
    """The batch of all replicas; what is missing in it (an empty Optional) is None."""
    parts = strategy.experimental_local_results(batch)
    if len(parts) == 1:
        (whole,) = parts
    else:
        whole = tf.nest.map_structure(lambda *part: tf.concat(part, 0), *parts)
    return tf.nest.map_structure(
        lambda leaf: None if isinstance(leaf, tf.experimental.Optional) else leaf, whole
    )


def _again(strategy: tf.distribute.Strategy, batches: list[Any], source: Any) -> Any:
    """An iterator over these batches, of the type of the one that they come from."""
    element_spec = getattr(source, "element_spec", None)
    if element_spec is None:
        # The generator of `train_on_batch`.
        return itertools.chain(batches, source)
    if strategy.num_replicas_in_sync == 1:
        return iter(_dataset(batches, element_spec))
    parts = [part for b in batches for part in strategy.experimental_local_results(b)]
    part_spec = tf.nest.map_structure(spec_of_one_replica, element_spec)
    return iter(
        strategy.distribute_datasets_from_function(lambda _: _dataset(parts, part_spec))
    )


def _dataset(elements: list[Any], element_spec: Any) -> tf.data.Dataset:
    """A dataset of these elements, with the shapes of the specification."""
    first, *others = map(tf.data.Dataset.from_tensors, elements)
    dataset = functools.reduce(tf.data.Dataset.concatenate, others, first)
    variant = tf.data.experimental.to_variant(dataset)
    return tf.data.experimental.from_variant(variant, element_spec)
