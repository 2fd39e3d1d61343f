"""Verdicts on the gradient."""

import itertools
import math
from collections.abc import Callable

from keras_initx.diagnostics._judge.findings import Findings, Verdict
from keras_initx.diagnostics._measure.rows import LayerRow

# As for the signal: a factor of a thousand.
VANISHING = 1e-3
# Residual networks with a hundred normalized layers have a few thousand, and train.
EXPLODING = 1e4


def non_finite_gradient(findings: Findings) -> Verdict | None:
    """A loss or a gradient of NaN or infinity."""
    if findings.loss is None:
        return None
    if not math.isfinite(findings.loss):
        text = (
            f"the loss is {findings.loss}. Look at the targets, and at what the loss "
            "does with outputs of 0: `from_logits=True` takes pre-activations."
        )
        return Verdict("non-finite gradient", None, text)
    for row in reversed(findings.rows):
        if not math.isfinite(row.output_gradient or 0):
            text = (
                f"{findings.name(row)} is the first, on the way back from the loss, "
                "whose output has a gradient of NaN or infinity. "
                f"{findings.remedy(row)}"
            )
            return Verdict("non-finite gradient", row.path, text)
    return None


def no_gradient(findings: Findings) -> Verdict | None:
    """Kernels that the gradient does not reach at all."""
    rows = _rows_with_gradient(findings)
    unreached = _head(rows, lambda row: row.output_gradient == 0)
    behind = rows[len(unreached) :]
    largest = max((_gradient(findings, row) for row in rows), default=0.0)
    if behind and _gradient(findings, behind[0]) < VANISHING * largest:
        # It became so small that it is zero in float32.
        return None
    trainable = [row for row in unreached if row.gradient is not None]
    if not trainable:
        return None
    text = (
        f"nothing of the gradient reaches {findings.name(trainable[-1])} and what "
        "stands before it. An operation without a derivative stands behind it, such as "
        "rounding, `argmax` or `stop_gradient`; or the derivative is zero there. Use "
        "one that has a slope, such as a softmax instead of `argmax`, or set "
        "`trainable=False` where nothing is to learn."
    )
    return Verdict("no gradient", trainable[-1].path, text)


def vanishing_gradient(findings: Findings) -> Verdict | None:
    """Gradients that become small on the way back to the first layer."""
    rows = _rows_with_gradient(findings)
    largest = max((_gradient(findings, row) for row in rows), default=0.0)
    small = _head(rows, lambda row: _gradient(findings, row) < VANISHING * largest)
    # The layer where it begins is the last one; the one that suffers most, the first.
    trainable = [row for row in small if row.gradient is not None]
    if not trainable:
        return None
    row, first = trainable[-1], trainable[0]
    text = (
        f"from {findings.name(row)} back, the gradient of the outputs is below "
        f"{VANISHING:g} times its largest ({largest:.2g}); in the first layer, "
        f"'{first.path}', it is {_gradient(findings, first):.2g}. "
        f"{findings.remedy(row)}"
    )
    return Verdict("vanishing gradient", row.path, text)


def exploding_gradient(findings: Findings) -> Verdict | None:
    """Gradients that become large on the way back to the first layer."""
    rows = _rows_with_gradient(findings)
    found = [gradient for row in rows if (gradient := _gradient(findings, row))]
    if not found:
        return None
    last = found[-1]
    large = [row for row in rows if _gradient(findings, row) > EXPLODING * last]
    if not large:
        return None
    largest = max(_gradient(findings, row) for row in large)
    text = (
        f"from {findings.name(large[-1])} back, the gradient of the outputs is more "
        f"than {EXPLODING:,.0f} times that of the last layer ({last:.2g}), up to "
        f"{largest:.2g}. {findings.remedy_of_large(large[-1])}"
    )
    return Verdict("exploding gradient", large[-1].path, text)


def _rows_with_gradient(findings: Findings) -> list[LayerRow]:
    """The rows whose gradients can be compared.

    A softmax is left out: with the cross-entropy its output has gradients of one over a
    probability. So are layers whose gradient is zero because a later kernel is: the
    first step of training changes that.
    """
    rows, is_held_back = [], False
    for row in reversed(findings.rows):
        is_zero = row.output_gradient == 0
        if row.output_gradient is not None and row.activation != "softmax":
            if not (is_zero and is_held_back):
                rows.append(row)
        if row.kernel is not None and row.kernel.norm == 0:
            is_held_back = True
    return rows[::-1]


def _head(rows: list[LayerRow], is_wrong: Callable[[LayerRow], bool]) -> list[LayerRow]:
    """The first rows, as long as they are wrong."""
    return list(itertools.takewhile(is_wrong, rows))


def _gradient(findings: Findings, row: LayerRow) -> float:
    """That of the output, behind the normalization where one follows.

    Before it, the gradient is as large as the scale is small, and training steps on
    kernels there do not depend on it in the same way.
    """
    return (findings.normalization(row) or row).output_gradient or 0.0
