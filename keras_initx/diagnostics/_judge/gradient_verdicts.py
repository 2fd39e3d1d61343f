"""Verdicts on the gradient."""

import itertools
import math
from collections.abc import Callable

from keras_initx.diagnostics._judge.cause_texts import verdict_on
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.own_gain import Cause, cause_of
from keras_initx.diagnostics._judge.remedies import remedy_of_growth, scale_remedy
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow

# As for the signal: a factor of a thousand.
VANISHING = 1e-3
# Residual networks with a hundred normalized layers have a few thousand, and train.
EXPLODING = 1e4


def non_finite_gradient(findings: Findings) -> Verdict | None:
    """A loss or a gradient of NaN or infinity."""
    kind = "non_finite_gradient"
    if findings.loss is None:
        return None
    if not math.isfinite(findings.loss):
        text = (
            f"the loss is {findings.loss}. Check the targets, and what the loss does "
            "with outputs of 0: with `from_logits=True` it takes pre-activations."
        )
        return Verdict(kind, None, text)
    for row in reversed(findings.rows):
        if not math.isfinite(row.output_gradient or 0):
            text = (
                f"{findings.name(row)} is the first layer, on the way back from the "
                "loss, whose output has a gradient of NaN or infinity. Check the "
                "operations after it for an infinite slope, such as that of "
                "`keras.ops.sqrt` or `keras.ops.log` at 0: add a small constant to "
                "what they get, such as 1e-6."
            )
            return Verdict(kind, row.path, text)
    return None


def no_gradient(findings: Findings) -> Verdict | None:
    """Kernels that the gradient does not reach at all."""
    rows = _rows_with_gradient(findings)
    unreached = _head(rows, lambda row: row.output_gradient == 0)
    later = rows[len(unreached) :]
    largest = max((_gradient(findings, row) for row in rows), default=0.0)
    if later and _gradient(findings, later[0]) < VANISHING * largest:
        # It became so small that it is zero in float32.
        return None
    trainable = [row for row in unreached if row.gradient is not None]
    if not trainable:
        return None
    row = trainable[-1]
    text = (
        f"the gradient does not reach {findings.name(row)} and the layers before it: "
        "it is exactly zero, so they cannot learn. Look after this layer for an "
        "operation without a slope, such as `keras.ops.round`, `keras.ops.argmax` or "
        "`keras.ops.stop_gradient`, and use one with a slope, such as a softmax "
        "instead of `argmax`. Where nothing shall learn, set `trainable=False`."
    )
    return Verdict("no_gradient", row.path, text)


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
        f"'{first.path}', it is {_gradient(findings, first):.2g}."
    )
    if (cause := _one_cause(findings, row, -1)) is not None:
        return verdict_on("vanishing_gradient", findings, cause, text, [cause.row], -1)
    remedy = scale_remedy(findings, row, findings.linear_from(row), -1)
    return Verdict("vanishing_gradient", row.path, f"{text} {remedy}")


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
    row, largest = large[-1], max(_gradient(findings, row) for row in large)
    text = (
        f"from {findings.name(row)} back, the gradient of the outputs is more than "
        f"{EXPLODING:,.0f} times that of the last layer ({last:.2g}), up to "
        f"{largest:.2g}."
    )
    if (cause := _one_cause(findings, row, 1)) is not None:
        return verdict_on("exploding_gradient", findings, cause, text, [cause.row], 1)
    remedy = remedy_of_growth(findings, row, findings.linear_from(row))
    return Verdict("exploding_gradient", row.path, f"{text} {remedy}")


def _one_cause(findings: Findings, row: LayerRow, direction: int) -> Cause | None:
    """The one layer after this one that multiplies the gradient by a wrong factor."""
    rows = findings.linear_from(row)
    cause = cause_of(findings, [each for each in rows if each is not row], direction)
    is_one = cause is not None and cause.is_kernel and not cause.others
    return cause if is_one else None


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
    """That of the output; after the normalization where one follows.

    Before it, the gradient is as large as the scale is small, and training steps on
    kernels there do not depend on it in the same way.
    """
    return (findings.normalization(row) or row).output_gradient or 0.0
