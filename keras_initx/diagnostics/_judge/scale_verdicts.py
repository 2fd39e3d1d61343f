"""Verdicts on the scale of the signal."""

import math

from keras_initx.diagnostics._judge.findings import Findings, first_of_tail
from keras_initx.diagnostics._judge.remedies import remedy_of_growth, scale_remedy
from keras_initx.diagnostics._judge.verdict import Verdict

# A factor of a thousand in the standard deviation: rectifiers lose it with Keras's
# default initializer in 20 layers, while no network of a handful of layers comes near.
VANISHING = 1e-3
EXPLODING = 1e3


def non_finite_signal(findings: Findings) -> Verdict | None:
    """NaN or infinity."""
    kind = "non_finite_signal"
    if any(not _is_finite(row.std) for row in findings.inputs):
        text = "the inputs have NaN or infinity. Clean or scale the data."
        return Verdict(kind, None, text)
    row = next((row for row in findings.rows if not _is_finite(row.std)), None)
    if row is None:
        return None
    if any(not _is_finite(kernel.norm) for kernel in row.kernels):
        cause = "Its kernel has NaN or infinity: load or draw its weights again."
    elif row.dtype == "float16":
        cause = (
            "The largest number of float16 is 65504. Use 'mixed_bfloat16', or a "
            "smaller scale: `keras_initx.lsuv(model, x)`."
        )
    else:
        remedy = scale_remedy(findings, row, findings.linear_until(row), 1)
        cause = f"Its inputs are finite. {remedy}"
    text = (
        f"{findings.name(row)} is the first layer whose output has NaN or infinity. "
        f"{cause}"
    )
    return Verdict(kind, row.path, text)


def vanishing_signal(findings: Findings) -> Verdict | None:
    """Pre-activations that become small and stay so to the end."""
    scale = _scale_of_inputs(findings)
    rows = [row for row in findings.linear if row.kernel_norm > 0]
    limit = VANISHING * min(1.0, scale)
    first = first_of_tail(rows, lambda row: row.scale < limit)
    if first is None:
        return None
    text = (
        f"from {findings.name(first)} on, the standard deviation of the pre-"
        f"activations is below {limit:.1g}; in the last layer it is "
        f"{rows[-1].scale:.2g}. "
        f"{scale_remedy(findings, first, findings.linear_until(first), -1)}"
    )
    return Verdict("vanishing_signal", first.path, text)


def exploding_signal(findings: Findings) -> Verdict | None:
    """Pre-activations that become large."""
    limit = EXPLODING * max(1.0, _scale_of_inputs(findings))
    large = [
        row
        for row in findings.linear
        if limit < row.scale < math.inf and not findings.normalization(row)
    ]
    if not large:
        return None
    first, largest = large[0], max(row.scale for row in large)
    text = (
        f"from {findings.name(first)} on, the standard deviation of the pre-"
        f"activations is above {limit:.1g}, up to {largest:.2g}. "
        f"{remedy_of_growth(findings, first, findings.linear_until(first))}"
    )
    return Verdict("exploding_signal", first.path, text)


def _scale_of_inputs(findings: Findings) -> float:
    """Their standard deviation; that of the first layer where they are integers."""
    found = [row.std for row in (*findings.inputs, *findings.rows[:1]) if row.std]
    return found[0] if found else 1.0


def _is_finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)
