"""What a model is asked for: each output beside its targets and its loss."""

from collections.abc import Callable
from typing import Any

import keras
from keras import losses, ops

from keras_initx._keras import (
    compiled_loss,
    loss_over,
    mask_of,
    preserve_names,
)
from keras_initx.diagnostics._measure.known_losses import (
    HINGES,
    KINDS,
    named,
    resolved,
)
from keras_initx.diagnostics._measure.leaves import part_of
from keras_initx.diagnostics._measure.losses import (
    computes_own_loss,
    only_loss,
    total_loss,
)
from keras_initx.diagnostics._measure.own_losses import changes_if_aligned
from keras_initx.diagnostics._measure.task import Task
from keras_initx.diagnostics._measure.task_parts import (
    array_of,
    beside,
    steps_of,
    weights_of,
)


def tasks_of(
    model: keras.layers.Layer,
    loss: Any,
    labelled: tuple[Any, Any, Any],
    output: Any,
    path_of: Callable[[Any], str | None],
) -> list[Task]:
    """One task for each output that has targets and a loss.

    There is none where a model computes its loss in a way of its own, by `add_loss`, a
    `compute_loss` or a `train_step`.

    Args:
        model: keras.layers.Layer.
        loss: As in `signal_report`.
        labelled: tuple. Inputs, targets and sample weights.
        output: What the model puts out.
        path_of: Callable. The path of the row that made a tensor.
    """
    _, y, sample_weight = labelled
    if y is None or (loss is None and computes_own_loss(model)):
        return []
    tasks: list[Task] = []

    def note(function: Any, targets: Any, outputs: Any, weight: Any) -> None:
        task = _task(function, targets, outputs, weight)
        # `compile` gives both one rank before it calls a mere function.
        if not task.loss and (loss is not None or isinstance(function, losses.Loss)):
            task.is_broadcast = changes_if_aligned(function, task.targets, outputs)
        task.layer, task.code = path_of(outputs), _code(y, targets)
        tasks.append(task)

    def recorder(part: Any) -> Any:
        return None if part is None else _Recorder(part, note)

    try:
        with preserve_names():
            if loss is None:
                recording = loss_over(compiled_loss(model), recorder)
                recording(y, output, sample_weight)
            else:
                recording = keras.tree.map_structure(recorder, only_loss(loss))
                total_loss(model, recording, y, output, sample_weight)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        # What does not go together is told by the loss itself.
        return []
    if len(tasks) > 1:
        _name(tasks, getattr(model, "output_names", []), output, path_of)
    return tasks


def _name(
    tasks: list[Task],
    names: list[str],
    output: Any,
    path_of: Callable[[Any], str | None],
) -> None:
    """Gives each task the name of its output."""
    paths = [path_of(leaf) for leaf in keras.tree.flatten(output)]
    if len(names) == len(paths):
        known = dict(zip(paths, names, strict=True))
        for task in tasks:
            task.name = known.get(task.layer, "")


class _Recorder(losses.Loss):
    """In the place of a loss: tells what that would get, and computes nothing."""

    def __init__(self, function: Any, note: Callable[..., None]) -> None:
        super().__init__()
        self._function, self._note = function, note

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        function = resolved(self._function, y_true, y_pred)
        self._note(function, y_true, y_pred, sample_weight)
        return ops.zeros(())


def _task(function: Any, targets: Any, outputs: Any, sample_weight: Any) -> Task:
    """What is compared by a loss."""
    name, settings = named(function)
    targets, mask = array_of(targets), mask_of(outputs)
    steps = steps_of(tuple(outputs.shape))
    weights = weights_of(targets, sample_weight, mask, settings.get("ignore_class"))
    task = Task(
        KINDS.get(name, "") if settings.get("axis", -1) == -1 else "",
        targets,
        array_of(outputs[steps]),
        loss=name,
        from_logits=name in HINGES or bool(settings.get("from_logits")),
        all_weights=weights,
        label_smoothing=float(settings.get("label_smoothing") or 0.0),
        function=function,
        shape=tuple(outputs.shape),
    )
    task.compared = beside(targets, steps, outputs.shape)
    task.weights = None if weights is None else beside(weights, steps, outputs.shape)
    return task


def _code(y: Any, targets: Any) -> str:
    """Python code for these targets, where `y` are all."""
    keys = list(y) if isinstance(y, dict) else range(len(y)) if _is_list(y) else ()
    return next((part_of("y", key) for key in keys if y[key] is targets), "y")


def _is_list(y: Any) -> bool:
    return isinstance(y, list | tuple)
