"""Verdicts on what the last activation cannot put out."""

import math

import numpy as np

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.loss_code import of_output
from keras_initx.diagnostics._judge.pasted import other_activation
from keras_initx.diagnostics._judge.task_rows import (
    RECTIFIERS,
    maker,
    of_classes,
    output_row,
    own_activation,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.loss_facts import visible
from keras_initx.diagnostics._measure.rows import LayerRow

# What the best outputs within the range leave of the variance of the targets.
_UNREACHABLE = 0.05
_RANGES = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, math.inf),
    "exponential": (0.0, math.inf),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "lecun_tanh": (-1.7159, 1.7159),
    "elu": (-1.0, math.inf),
    "selu": (-1.7581, math.inf),
    "gelu": (-0.17, math.inf),
    "silu": (-0.2785, math.inf),
    "mish": (-0.3088, math.inf),
}
# Of these a large part of the difference is a matter of the squares.
_DISTANCES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")


def unreachable_targets(findings: Findings) -> Verdict | None:
    """A last activation that cannot put out what is asked for."""
    return _rectified_logits(findings) or _outside_range(findings)


def _rectified_logits(findings: Findings) -> Verdict | None:
    """A rectifier right before a softmax, or before a loss of classes."""
    found: tuple[LayerRow, str] | None = None
    for row in findings.rows:
        if row.is_output and row.activation == "softmax" and found is None:
            before = maker(findings, row, RECTIFIERS)
            found = None if before is None else (before, "linear")
    for task in of_classes(findings):
        last = output_row(findings, task)
        if last is not None and last.activation in RECTIFIERS and found is None:
            found = last, "linear" if task.from_logits else own_activation(task)
    if found is None:
        return None
    row, activation = found
    text = (
        f"{findings.name(row)} is a rectifier right before the probabilities: about "
        "half of its units are zero for an input, and have no gradient there. "
        f"{other_activation(findings, row, activation)}"
    )
    return Verdict("unreachable_targets", row.path, text)


def _outside_range(findings: Findings) -> Verdict | None:
    """Targets of a regression that the last activation does not reach."""
    for task in findings.seen.tasks:
        row = output_row(findings, task)
        if task.loss not in _DISTANCES or row is None or row.activation not in _RANGES:
            continue
        targets = visible(task)[0].astype("float64")
        lower, upper = _RANGES[row.activation]
        if not targets.size:
            continue
        lost = float(np.mean((targets - targets.clip(lower, upper)) ** 2))
        if not lost > _UNREACHABLE * float(targets.var()) > 0:
            continue
        outside = ((targets < lower) | (targets > upper)).mean()
        text = (
            f"{findings.name(row)}{of_output(task)} puts out {_words(lower, upper)}, "
            f"and {100 * outside:.2g} % of the targets lie elsewhere (they go from "
            f"{targets.min():.3g} to {targets.max():.3g}). "
            f"{other_activation(findings, row, 'linear')}"
        )
        return Verdict("unreachable_targets", row.path, text)
    return None


def _words(lower: float, upper: float) -> str:
    if math.isinf(upper):
        return f"no number below {lower:.3g}"
    return f"numbers from {lower:.3g} to {upper:.3g}"
