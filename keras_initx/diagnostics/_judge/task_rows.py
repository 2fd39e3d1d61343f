"""The rows that belong to a task, and what they get."""

import math

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.tasks import (
    BINARY,
    CATEGORICAL,
    HINGES,
    SPARSE,
    Task,
)

RECTIFIERS = ("relu", "relu6")
SIGMOIDS = ("sigmoid", "hard_sigmoid")
PROBABILITIES = ("softmax", *SIGMOIDS)


def output_row(findings: Findings, task: Task) -> LayerRow | None:
    """The row that makes the output of a task."""
    if task.layer is None:
        return None
    rows = [row for row in findings.rows if row.path == task.layer]
    return next((row for row in rows if row.is_output), rows[-1] if rows else None)


def own_activation(task: Task) -> str:
    """The activation that makes the probabilities of a task."""
    return "sigmoid" if task.kind == BINARY else "softmax"


def maker(
    findings: Findings, row: LayerRow, activations: tuple[str, ...]
) -> LayerRow | None:
    """The layer with such an activation whose output this layer gets, if there is one.

    What one layer puts out and the next one gets has the same mean and deviation.
    """
    if row.kernels:
        return None
    for other in reversed(findings.rows[: findings.rows.index(row)]):
        pairs = (
            (other.mean, row.pre_activation_mean),
            (other.std, row.pre_activation_std),
        )
        if other.activation in activations and all(
            a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6)
            for a, b in pairs
        ):
            return other
    return None


def of_classes(findings: Findings) -> list[Task]:
    """The tasks of classes with a cross-entropy."""
    return [
        task
        for task in findings.seen.tasks
        if task.kind in (BINARY, CATEGORICAL, SPARSE)
        and task.loss not in HINGES
        and task.outputs.size
    ]
