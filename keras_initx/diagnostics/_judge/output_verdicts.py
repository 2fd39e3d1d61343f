"""Verdicts on the last activation, beside the loss and the targets."""

import math

import numpy as np

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.loss_code import of_output, other_loss
from keras_initx.diagnostics._judge.pasted import other_activation
from keras_initx.diagnostics._judge.task_rows import (
    PROBABILITIES,
    RECTIFIERS,
    SIGMOIDS,
    maker,
    of_classes,
    output_row,
    own_activation,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.loss_facts import are_probabilities, visible
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.tasks import (
    BINARY,
    CATEGORICAL,
    SPARSE,
    Task,
)

# The layers of Keras whose outputs may be any number.
_LINEAR = ("Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D")
_TOLERANCE = 1e-2
# A share of outputs that says that they are no probabilities.
_OUTSIDE = 0.01
# Each of C classes on its own has a gradient that is C times smaller. On digits, SGD
# took 2, 3 and 7 times the epochs to 90 % with 3, 5 and 10 classes; with 2, as many.
_MANY_CLASSES = 5
# Samples with several labels would show in so many.
_ENOUGH_ROWS = 16
# Somebody has set the biases to the rareness of each class.
_PRIMED = 0.25


def probabilities_as_logits(findings: Findings) -> Verdict | None:
    """A softmax or sigmoid whose outputs the loss takes for logits."""
    for task in of_classes(findings):
        row = output_row(findings, task)
        activation = "" if row is None else row.activation
        if not task.from_logits or not _are_squashed(task, activation):
            continue
        where = "the outputs" if row is None else findings.name(row)
        if activation in SIGMOIDS and task.kind != BINARY and row is not None:
            remedy = other_activation(findings, row, "linear")
        else:
            remedy = other_loss(task, from_logits=False)
        text = (
            f"{where}{of_output(task)} puts out probabilities, and the loss "
            f"{task.loss!r} has `from_logits=True`: it makes probabilities of them "
            f"once more, so that none comes near 0 or 1. {remedy}"
        )
        return Verdict("probabilities_as_logits", task.layer, text)
    return None


def logits_as_probabilities(findings: Findings) -> Verdict | None:
    """Outputs of any size that the loss takes for probabilities."""
    for task in of_classes(findings):
        row = output_row(findings, task)
        activation = "" if row is None else row.activation
        share = _share_outside(task, row)
        if task.from_logits or activation in RECTIFIERS or not share:
            continue
        where = "the outputs" if row is None else findings.name(row)
        if activation and row is not None:
            remedy = other_activation(findings, row, own_activation(task))
        else:
            remedy = other_loss(task, from_logits=True)
        text = (
            f"{where}{of_output(task)} puts out numbers that are no probabilities "
            f"({share}), and the loss {task.loss!r} has `from_logits=False`: it clips "
            f"them, and what is clipped has no gradient. {remedy}"
        )
        return Verdict("logits_as_probabilities", task.layer, text)
    return None


def double_softmax(findings: Findings) -> Verdict | None:
    """A softmax of a softmax."""
    for row in findings.rows:
        if not row.is_output or row.activation not in PROBABILITIES:
            continue
        before = maker(findings, row, (row.activation,))
        if before is None:
            continue
        remedy = other_activation(findings, before, "linear", row)
        text = (
            f"{findings.name(row)} is a {row.activation} of the {row.activation} of "
            f"{findings.name(before)}: its inputs lie between 0 and 1, so that no "
            f"probability comes near 0 or 1. {remedy}"
        )
        return Verdict("double_softmax", row.path, text)
    return None


def exclusive_sigmoid(findings: Findings) -> Verdict | None:
    """Classes that exclude each other, and outputs that do not."""
    for task in of_classes(findings):
        row = output_row(findings, task)
        is_sigmoid = row is not None and row.activation in SIGMOIDS
        where = "the outputs" if row is None else findings.name(row)
        if task.kind == BINARY and _are_exclusive(task):
            why = (
                "each sample has one class, and the mean over all classes makes the "
                f"gradient of each {task.outputs.shape[-1]} times smaller"
            )
            loss = 'loss = "categorical_crossentropy"'
        elif is_sigmoid and not task.from_logits and _is_one_of_all(task):
            why = "the loss counts on probabilities of classes that sum up to 1"
            loss = ""
        else:
            continue
        if not is_sigmoid or row is None:
            remedy = other_loss(task, from_logits=task.from_logits, one_of_many=True)
        else:
            remedy = other_activation(findings, row, "softmax", then=loss)
        text = (
            f"{where}{of_output(task)} has a sigmoid for each of "
            f"{task.outputs.shape[-1]} classes that exclude each other, and the loss "
            f"{task.loss!r}: {why}. {remedy}"
        )
        return Verdict("exclusive_sigmoid", task.layer, text)
    return None


def _are_squashed(task: Task, activation: str) -> bool:
    """Whether outputs are probabilities, by the activation or as they are."""
    if activation in PROBABILITIES:
        return True
    return task.kind != BINARY and are_probabilities(task.outputs)


def _share_outside(task: Task, row: LayerRow | None) -> str:
    """In words, how many outputs are no probabilities; empty if all may be some."""
    _, outputs = visible(task)
    lowest, highest = float(outputs.min()), float(outputs.max())
    outside = (outputs < -_TOLERANCE) | (outputs > 1 + _TOLERANCE)
    if task.kind != BINARY and lowest >= 0:
        # Keras divides by their sum.
        outside = np.zeros(1, bool)
    between = f"they lie between {lowest:.2g} and {highest:.2g}"
    if outside.mean() > _OUTSIDE:
        return between
    is_linear = row is not None and row.type in _LINEAR and not row.activation
    return between if is_linear and not are_probabilities(outputs) else ""


def _is_one_of_all(task: Task) -> bool:
    """Whether targets are class numbers, or probabilities that sum up to 1."""
    if task.kind == SPARSE:
        return task.outputs.shape[-1] > 1
    return task.kind == CATEGORICAL and are_probabilities(task.compared)


def _are_exclusive(task: Task) -> bool:
    """Whether each row of targets has exactly one of many classes."""
    targets, outputs = visible(task)
    if targets.shape != outputs.shape or targets.ndim < 2 or "focal" in task.loss:
        return False
    rows = targets.reshape(-1, targets.shape[-1])
    if rows.shape[-1] < _MANY_CLASSES or len(rows) < _ENOUGH_ROWS:
        return False
    middle = 0.0 if task.from_logits else 0.5
    primed = math.log(_PRIMED / (1 - _PRIMED)) if task.from_logits else _PRIMED
    if min(float(outputs.mean()), middle) < primed:
        return False
    is_one = (rows == 1).sum(axis=-1) == 1
    is_zero = (rows == 0).sum(axis=-1) == rows.shape[-1] - 1
    return bool((is_one & is_zero).all())
