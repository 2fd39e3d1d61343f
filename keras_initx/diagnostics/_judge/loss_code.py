"""Lines to paste: another loss, or another last activation."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.rows import LayerRow
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


def other_activation(
    findings: Findings,
    row: LayerRow,
    name: str,
    last: LayerRow | None = None,
    then: str = "",
) -> str:
    """Another activation of a layer.

    Args:
        findings: Findings.
        row: LayerRow. Whose activation is changed.
        name: str. The new one.
        last: LayerRow or None. The model's last layer, which is dropped instead if
            there is nothing to change in `row`. Defaults to `None`.
        then: str. A further statement. Defaults to `""`.
    """
    code = code_of(row)
    if row.type == "ReLU" and name == "linear":
        # A slope of 1 on both sides.
        line = f"{code}.negative_slope = 1.0"
    elif row.type == "Softmax" and name != "linear":
        other = f'keras.layers.Activation("{name}")'
        line = other_end(findings, f"{other}({code}.input)")
    elif row.type == "Softmax":
        line = other_end(findings, f"{code_of(last or row)}.input")
    else:
        line = f"{code}.activation = keras.activations.{name}"
    return f"Use `{'; '.join(filter(None, (line, then)))}`."


def other_end(findings: Findings, output: str) -> str:
    """The statement that lets a model end elsewhere."""
    inputs = "model.inputs" if len(findings.inputs) > 1 else "model.inputs[0]"
    return f"model = keras.Model({inputs}, {output})"


def code_of(row: LayerRow) -> str:
    """Python code that gives the layer of a row."""
    name = row.path.rpartition("/")[2]
    return row.code or f'model.get_layer("{name}")'
