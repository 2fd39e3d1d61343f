"""Lines to paste for an output: another loss."""

from keras_initx.diagnostics._measure.tasks import Task

_CLASSES = {
    "binary_crossentropy": "BinaryCrossentropy",
    "binary_focal_crossentropy": "BinaryFocalCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "categorical_focal_crossentropy": "CategoricalFocalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
}


def of_output(task: Task) -> str:
    """Which output is meant, where there are several."""
    return f" (the output {task.name!r})" if task.name else ""


def other_loss(task: Task, *, from_logits: bool, one_of_many: bool = False) -> str:
    """The same loss with or without `from_logits`, or that of exclusive classes."""
    name = "categorical_crossentropy" if one_of_many else task.loss
    arguments = ["from_logits=True"] if from_logits else []
    if task.label_smoothing:
        arguments.append(f"label_smoothing={task.label_smoothing:g}")
    code = f"keras.losses.{_CLASSES[name]}({', '.join(arguments)})"
    if task.name:
        return f"Use `{code}` for this output."
    return f"Use `loss = {code}`."
