"""Verdicts on activations that do not answer: dead or saturated ones."""

import math

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.remedies import LSUV, NORMALIZE
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.activation_bounds import RECTIFIERS
from keras_initx.diagnostics._measure.rows import LayerRow

# More than half of the values on a flat part: for tanh that means a standard deviation
# of the pre-activation above 2.6, where 1 is healthy and has 8 % there.
SATURATED = 0.5
# A kernel of so many times the variance 1 / fan_in is the reason itself.
ENLARGED = 1.5
# A unit of a healthy rectifier is on for an input with probability 1/2. Even if all
# inputs were alike, more than half of the units and four standard errors are dead only
# by a fault.
DEAD, STANDARD_ERRORS = 0.5, 4


def dead_units(findings: Findings) -> Verdict | None:
    """Rectifiers that are zero for all inputs."""
    row = next((row for row in findings.rows if _is_dead(row)), None)
    if row is None:
        return None
    if row.scale == 0:
        advice = (
            "All pre-activations are equal. Draw the kernel at random: "
            '`kernel_initializer="he_normal"`.'
        )
    else:
        advice = (
            f"The mean of the pre-activations is {row.pre_activation_mean:.2g}, and "
            f"their standard deviation is {row.scale:.2g}. Use zero biases with "
            '`kernel_initializer="he_normal"`, or '
            "`keras_initx.lsuv(model, x, center=True)`."
        )
    text = (
        f"in {findings.name(row)} {100 * (row.dead or 0):.3g} % of the rectified units "
        f"are zero for the whole batch, and so is their gradient. {advice}"
    )
    return Verdict("dead_units", row.path, text)


def saturated_units(findings: Findings) -> Verdict | None:
    """Bounded activations on their flat parts."""
    # A sigmoid that is an output may start near 0 or 1 by design, as where classes are
    # rare, and the cross-entropy makes up for its slope.
    wrong = [
        row
        for row in findings.rows
        if (row.saturated or 0) > SATURATED
        and not (row.is_output and row.activation == "sigmoid")
    ]
    if not wrong:
        return None
    row, others = wrong[0], len(wrong) - 1
    more = f", and the same in {others} more layers" if others else ""
    text = (
        f"in {findings.name(row)} {100 * (row.saturated or 0):.3g} % of the outputs of "
        f"{row.activation!r} are within 3 % of its bounds, where it has nearly no "
        f"slope{more}. The mean of the pre-activations is "
        f"{row.pre_activation_mean or 0:.2g}, and their standard deviation is "
        f"{row.scale:.2g}. {_advice(findings, row)}"
    )
    return Verdict("saturated_units", row.path, text)


def _advice(findings: Findings, row: LayerRow) -> str:
    """What to do about the biases, the kernel or the inputs, whichever is large."""
    if abs(row.pre_activation_mean or 0) > row.scale:
        return (
            "The mean is the larger part. Use zero biases, or "
            "`keras_initx.lsuv(model, x, center=True)`."
        )
    linear = findings.linear_until(row)[-1:]
    variance = max(
        (k.scaled_variance for r in linear for k in r.kernels[:1]), default=0
    )
    if variance > ENLARGED:
        return (
            f"The kernel has {variance:.2g} times the variance 1 / fan_in. Use "
            f'`kernel_initializer="haar_orthogonal"`, or {LSUV}.'
        )
    return (
        f"The inputs of the layer are large. Put {NORMALIZE} before it, or use {LSUV}."
    )


def _is_dead(row: LayerRow) -> bool:
    limit = DEAD + STANDARD_ERRORS * 0.5 / math.sqrt(max(1, row.units))
    return row.activation in RECTIFIERS and (row.dead or 0) >= min(1.0, limit)
