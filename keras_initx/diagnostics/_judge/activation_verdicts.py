"""Verdicts on activations that do not answer: dead or saturated ones."""

import math

from keras_initx.diagnostics._judge.cause_texts import cause_remedy, told
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.own_gain import cause_of, segment
from keras_initx.diagnostics._judge.remedies import LSUV, NORMALIZE
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.activation_bounds import RECTIFIERS
from keras_initx.diagnostics._measure.rows import LayerRow

# More than half of the values on a flat part: for tanh that means a standard deviation
# of the pre-activation above 2.6, where 1 is healthy and has 8 % there.
SATURATED = 0.5
# So much larger than 1 are pre-activations of which half are on flat parts.
SATURATING = 2.6
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
    before = findings.rows[: findings.place(row.path)][-1:]
    if row.scale == 0 and before and before[0].is_normalization:
        advice = (
            "All pre-activations are equal, because the normalization before it "
            'multiplies by zero. Use `gamma_initializer="ones"` there.'
        )
    elif row.scale == 0:
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
    return Verdict("dead_units", _linear_of(findings, row).path, text)


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
    cause, advice = _cause_and_advice(findings, row)
    text = (
        f"in {findings.name(row)} {100 * (row.saturated or 0):.3g} % of the outputs of "
        f"{row.activation!r} are within 3 % of its bounds, where it has nearly no "
        f"slope{more}. The mean of the pre-activations is "
        f"{row.pre_activation_mean or 0:.2g}, and their standard deviation is "
        f"{row.scale:.2g}. {advice}"
    )
    return Verdict("saturated_units", cause.path, text)


def _cause_and_advice(findings: Findings, row: LayerRow) -> tuple[LayerRow, str]:
    """The layer to change, and how: its biases, its kernel, or what it gets."""
    own = _linear_of(findings, row)
    if abs(row.pre_activation_mean or 0) > row.scale:
        return own, (
            "The mean is the larger part. Use zero biases, or "
            "`keras_initx.lsuv(model, x, center=True)`."
        )
    linear = findings.linear_until(row)[-1:]
    variance = max(
        (k.scaled_variance for r in linear for k in r.kernels[:1]), default=0
    )
    if variance > ENLARGED:
        return own, (
            f"The kernel has {variance:.2g} times the variance 1 / fan_in. Use "
            f'`kernel_initializer="haar_orthogonal"`, or {LSUV}.'
        )
    cause = cause_of(findings, segment(findings, own), 1, least=SATURATING)
    if cause is not None and cause.row is not own:
        return cause.row, (
            f"The inputs of the layer are large, because {told(findings, cause)}. "
            f"{cause_remedy(findings, cause, [cause.row], 1)}"
        )
    return row, (
        f"The inputs of the layer are large. Put {NORMALIZE} before it, or use {LSUV}."
    )


def _linear_of(findings: Findings, row: LayerRow) -> LayerRow:
    """The layer with a kernel whose outputs an activation acts on; else itself."""
    linear = findings.linear_until(row)
    if row.fan_in is not None or not linear or findings.is_normalized(linear[-1]):
        return row
    acts = findings.activation(linear[-1]) == row.activation
    return linear[-1] if acts else row


def _is_dead(row: LayerRow) -> bool:
    limit = DEAD + STANDARD_ERRORS * 0.5 / math.sqrt(max(1, row.units))
    return row.activation in RECTIFIERS and (row.dead or 0) >= min(1.0, limit)
