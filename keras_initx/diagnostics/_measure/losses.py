"""The scalar loss of a batch: a given one, or that of a compiled model."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._keras import (
    compiled_loss,
    is_of_keras,
    metrics_of_loss,
    own_losses,
)
from keras_initx._model.sublayers import sublayers

_SEVERAL = dict | list | tuple


def loss_of(
    owner: str,
    model: keras.layers.Layer,
    loss: Any,
    batch: tuple[Any, Any, Any],
    output: Any,
) -> Callable[[Any], Any]:
    """A function of the model's output.

    Args:
        owner: str. Who asks, for errors.
        model: keras.layers.Layer.
        loss: As in `signal_report`.
        batch: tuple. Inputs, targets and sample weights.
        output: An output of the model, for its structure.
    """
    x, y, sample_weight = batch
    loss = only_loss(loss)
    if isinstance(loss, _SEVERAL) and not isinstance(output, _SEVERAL):
        raise _validate.error(
            owner,
            "one loss for a model of one output",
            f"loss={loss!r}",
            "Pass the loss itself.",
        )
    y, sample_weight = (
        keras.tree.map_structure(
            lambda leaf: None if leaf is None else ops.convert_to_tensor(leaf), part
        )
        for part in (y, sample_weight)
    )
    if loss is not None:
        return lambda output: total_loss(model, loss, y, output, sample_weight)
    arguments = {"x": x, "y": y, "sample_weight": sample_weight}
    if "training" in inspect.signature(model.compute_loss).parameters:
        arguments["training"] = True
    return lambda output: model.compute_loss(y_pred=output, **arguments)


def only_loss(loss: Any) -> Any:
    """The loss in a list of one; any other as it is."""
    return loss[0] if isinstance(loss, list | tuple) and len(loss) == 1 else loss


def has_loss(model: keras.layers.Layer, is_likely: bool) -> bool:
    """Whether a compiled model knows its loss.

    A loss of `add_loss` alone shows only when it is computed: `is_likely` says whether
    to count on one.
    """
    if not getattr(model, "compiled", False):
        return False
    is_own = type(model).compute_loss is not keras.Model.compute_loss
    return is_likely or is_own or compiled_loss(model) is not None


def computes_own_loss(model: keras.layers.Layer) -> bool:
    """Whether a model may train with another loss than that of `compile`."""
    return any(
        getattr(type(model), name, None) is not getattr(keras.Model, name)
        for name in ("compute_loss", "train_step")
    )


@contextlib.contextmanager
def preserve_loss(model: keras.layers.Layer) -> Iterator[None]:
    """A context that puts the model's loss back as it was.

    A compiled loss builds itself for the first targets, and makes metrics. The layers
    keep the identities of their losses.
    """
    compiled = compiled_loss(model)
    before = {} if compiled is None else dict(vars(compiled))
    metrics = list(metrics_of_loss(compiled))
    identities = [(own, set(own)) for _, own in map(own_losses, sublayers(model))]
    try:
        yield
    finally:
        if compiled is not None:
            vars(compiled).clear()
            vars(compiled).update(before)
            metrics_of_loss(compiled)[:] = metrics
        for own, earlier in identities:
            own.clear()
            own.update(earlier)


def total_loss(
    model: keras.layers.Layer, loss: Any, y: Any, output: Any, sample_weight: Any
) -> Any:
    """The sum of given losses of all outputs."""
    if isinstance(y, dict) and isinstance(output, list | tuple):
        names = getattr(model, "output_names", list(y))
        output = dict(zip(names, output, strict=True))
    if isinstance(output, _SEVERAL):
        if isinstance(output, dict) and not isinstance(y, dict):
            output = list(output.values())
        keys = list(y) if isinstance(y, dict) else range(len(output))
        return sum(
            total_loss(
                model,
                loss[key] if isinstance(loss, _SEVERAL) else loss,
                y[key],
                output[key],
                sample_weight[key]
                if isinstance(sample_weight, _SEVERAL)
                else sample_weight,
            )
            for key in keys
        )
    function = keras.losses.get(loss)
    if not isinstance(function, keras.losses.Loss):
        function = _FunctionLoss(function)
    return function(y, output, sample_weight)


class _FunctionLoss(keras.losses.Loss):
    """A function that gives one loss for each sample; their mean is taken.

    One of Keras gets targets of the rank of the outputs, as in training.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if is_of_keras(self._function):
            shapes = shapes_as_in_keras(tuple(y_true.shape), tuple(y_pred.shape))
            y_true, y_pred = map(ops.reshape, (y_true, y_pred), shapes)
        return self._function(y_true, y_pred)


def shapes_as_in_keras(
    targets: tuple[int, ...], outputs: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes that Keras compares: a last axis of 1 that only one has is adjusted.

    Vectors get it, and longer shapes lose it.
    """
    if len(targets) == len(outputs) + 1 and targets[-1] == 1:
        return (
            (targets, (*outputs, 1)) if len(outputs) == 1 else (targets[:-1], outputs)
        )
    if len(outputs) == len(targets) + 1 and outputs[-1] == 1:
        return (
            ((*targets, 1), outputs) if len(targets) == 1 else (targets, outputs[:-1])
        )
    return targets, outputs
