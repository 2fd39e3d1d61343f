"""Verdicts on the signal."""

import math

from keras_initx.diagnostics._judge.findings import Findings, Verdict, first_of_tail
from keras_initx.diagnostics._measure.activation_bounds import RECTIFIERS
from keras_initx.diagnostics._measure.rows import LayerRow

# A factor of a thousand in the standard deviation: rectifiers lose it with Keras's
# default initializer in 20 layers, while no network of a handful of layers comes near.
VANISHING = 1e-3
EXPLODING = 1e3
# More than half of the values on a flat part: for tanh that means a standard deviation
# of the pre-activation above 2.6, where 1 is healthy and has 8 % there.
SATURATED = 0.5
# A unit of a healthy rectifier is on for an input with probability 1/2. Even if all
# inputs were alike, more than half of the units and four standard errors are dead only
# by a fault.
DEAD, STANDARD_ERRORS = 0.5, 4
# Angles below 8 degrees, and ten times smaller in 1 - cos than those of the inputs.
# Rectifiers with `he_normal` are there after some 50 layers: on small images of digits
# 30 layers learn well, 60 slowly, 100 not at all.
COLLAPSED, CLOSER = 0.99, 0.1
# What is nearer to 1 than this may be the rounding of a cosine in float32.
ROUNDING = 1e-5
FEW_UNITS = 8


def non_finite(findings: Findings) -> Verdict | None:
    """NaN or infinity."""
    for row in findings.inputs:
        if not _is_finite(row.std):
            text = "the inputs have NaN or infinity. Clean or scale the data."
            return Verdict("non-finite signal", None, text)
    for row in findings.rows:
        if not _is_finite(row.std):
            break
    else:
        return None
    if any(not _is_finite(kernel.norm) for kernel in row.kernels):
        cause = "its kernel has NaN or infinity. Load or draw its weights again."
    elif row.dtype == "float16":
        cause = (
            "float16 ends at 65504. Use 'mixed_bfloat16', or a smaller scale: "
            "`keras_initx.lsuv(model, x)`."
        )
    else:
        cause = f"its inputs are finite. {findings.remedy(row)}"
    text = (
        f"{findings.name(row)} is the first whose output has NaN or infinity; {cause}"
    )
    return Verdict("non-finite signal", row.path, text)


def vanishing_signal(findings: Findings) -> Verdict | None:
    """Pre-activations that become small and stay so to the end."""
    scale = _scale_of_inputs(findings)
    rows = [row for row in findings.linear if _norm(row) > 0]
    limit = VANISHING * min(1.0, scale)
    first = first_of_tail(rows, lambda row: _std(row) < limit)
    if first is None:
        return None
    text = (
        f"from {findings.name(first)} on, the standard deviation of the pre-"
        f"activations is below {limit:.1g}; in the last layer it is "
        f"{_std(rows[-1]):.2g}. "
        f"{findings.remedy(first)}"
    )
    return Verdict("vanishing signal", first.path, text)


def exploding_signal(findings: Findings) -> Verdict | None:
    """Pre-activations that become large."""
    limit = EXPLODING * max(1.0, _scale_of_inputs(findings))
    large = [
        row
        for row in findings.linear
        if limit < _std(row) < math.inf and not findings.normalization(row)
    ]
    if not large:
        return None
    largest = max(map(_std, large))
    text = (
        f"from {findings.name(large[0])} on, the standard deviation of the pre-"
        f"activations is above {limit:.1g}, up to {largest:.2g}. "
        f"{findings.remedy_of_large(large[0])}"
    )
    return Verdict("exploding signal", large[0].path, text)


def dead_units(findings: Findings) -> Verdict | None:
    """Rectifiers that are zero for all inputs."""
    for row in findings.rows:
        limit = DEAD + STANDARD_ERRORS * 0.5 / math.sqrt(max(1, row.units))
        if row.activation in RECTIFIERS and (row.dead or 0) >= min(1.0, limit):
            break
    else:
        return None
    if _std(row) == 0:
        advice = (
            "Its pre-activations are all equal. Draw its kernel at random: "
            '`kernel_initializer="he_normal"`.'
        )
    else:
        advice = (
            "Look at its biases, and at the mean of its pre-activations: "
            f"{row.pre_activation_mean:.2g} at a standard deviation of "
            f"{_std(row):.2g}. Use zero biases with `he_normal`, "
            "`keras_initx.lsuv(model, x, center=True)`, or 'leaky_relu'."
        )
    text = (
        f"in {findings.name(row)} {100 * (row.dead or 0):.3g} % of the rectified units "
        f"are zero for the whole batch, and so is their gradient. {advice}"
    )
    return Verdict("dead units", row.path, text)


def saturated(findings: Findings) -> Verdict | None:
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
    row = wrong[0]
    text = (
        f"in {findings.name(row)} {100 * (row.saturated or 0):.3g} % of the outputs of "
        f"{row.activation!r} are within 3 % of its bounds, where it has nearly no "
        f"slope{_and_more(len(wrong) - 1)}. The standard deviation of the "
        f"pre-activations is {_std(row):.2g}. {findings.remedy(row)}"
    )
    return Verdict(f"saturated {row.activation}", row.path, text)


def constant_output(findings: Findings) -> Verdict | None:
    """Outputs that do not depend on the inputs."""
    first = first_of_tail(findings.rows, lambda row: row.is_constant)
    if first is None:
        return None
    tail = findings.rows[findings.place(first.path) :]
    norms = [_norm(row) for row in tail if row.fan_in is not None]
    if norms and not any(norms) and _norm(first) == 0:
        # A last kernel of zeros is a common choice, in each of several heads too, and
        # learns.
        return None
    if first.activation == "softmax" and first.units == 1:
        advice = "A softmax over one unit is always 1: use 'sigmoid'."
    else:
        advice = "Look at the kernels and biases there, or check the data."
    text = f"from {findings.name(first)} on, nothing depends on the inputs. {advice}"
    return Verdict("constant output", first.path, text)


def collapsed_inputs(findings: Findings) -> Verdict | None:
    """Different inputs whose activations become the same direction."""
    # What the last layer and a softmax put out is near to a constant by design, and a
    # few units often have one sign.
    rows = [
        row
        for row in findings.linear[:-1]
        if row.cosine is not None
        and row.units >= FEW_UNITS
        and not (row.is_output or row.activation == "softmax")
    ]
    known = [row.cosine for row in (*findings.inputs, *findings.rows)]
    start = next((cosine for cosine in known if cosine is not None), 0.0)
    limit = max(COLLAPSED, 1 - CLOSER * (1 - start))
    first = first_of_tail(rows, lambda row: (row.cosine or 0.0) > limit)
    if first is None or limit > 1 - ROUNDING or _is_behind_few(findings, first):
        return None
    first = _first_so(findings, first, limit)
    if findings.place(first.path) < findings.place(findings.linear[0].path):
        advice = "No kernel stands before it: scale the data as the model expects them."
    else:
        advice = (
            "Deep rectifiers, sigmoids and large biases do so. Use zero biases, blocks "
            "that add their input, a normalization, or `keras_initx.LooksLinear` with "
            "`keras_initx.CReLU`; or 'tanh' with `keras_initx.HaarOrthogonal`."
        )
    text = (
        f"from {findings.name(first)} on, the outputs for different inputs have a mean "
        f"cosine above {limit:.4g}; it was {start:.2g} at first. {advice}"
    )
    return Verdict("collapsed inputs", first.path, text)


def _is_behind_few(findings: Findings, row: LayerRow) -> bool:
    """Whether the layer before has so few units that their sign is all they tell."""
    place = [other.path for other in findings.linear].index(row.path)
    return place > 0 and findings.linear[place - 1].units < FEW_UNITS


def _first_so(findings: Findings, row: LayerRow, limit: float) -> LayerRow:
    """The layer without a kernel, such as a `ReLU`, that the next one follows in it."""
    for other in reversed(findings.rows[: findings.place(row.path)]):
        if other.fan_in is not None or (other.cosine or 0.0) <= limit:
            break
        row = other
    return row


def _scale_of_inputs(findings: Findings) -> float:
    """Their standard deviation; that of the first layer where they are integers."""
    found = [row.std for row in (*findings.inputs, *findings.rows[:1]) if row.std]
    return found[0] if found else 1.0


def _std(row: LayerRow) -> float:
    std = row.pre_activation_std
    return math.nan if std is None else std


def _norm(row: LayerRow) -> float:
    return math.nan if row.kernel is None else row.kernel.norm


def _is_finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def _and_more(count: int) -> str:
    return f", and in {count} more layers it is so" if count else ""
