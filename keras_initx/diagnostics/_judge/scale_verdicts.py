"""Verdicts on the scale of the signal."""

import math

from keras_initx.diagnostics._judge.activation_verdicts import DEAD, SATURATED
from keras_initx.diagnostics._judge.cause_texts import verdict_on
from keras_initx.diagnostics._judge.findings import Findings, first_of_tail
from keras_initx.diagnostics._judge.own_gain import cause_of, segment
from keras_initx.diagnostics._judge.predicted_scale import SMALL_KERNEL, predicted_scale
from keras_initx.diagnostics._judge.remedies import remedy_of_growth, scale_remedy
from keras_initx.diagnostics._judge.sample_verdicts import COLLAPSED
from keras_initx.diagnostics._judge.small_ends import is_small_end
from keras_initx.diagnostics._judge.task_rows import PROBABILITIES
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow

# A factor of a thousand in the standard deviation: rectifiers lose it with Keras's
# default initializer in 20 layers, while no network of a handful of layers comes near.
VANISHING = 1e-3
EXPLODING = 1e3
# With one layer that is off by so much itself, less will do in the layers after it. A
# last kernel of a hundredth is common, but not one within a network; no fan rule makes
# a kernel ten times too large.
SMALL = 0.03
LARGE_KERNEL, LARGE_KERNELS, LARGE = 10.0, 30.0, 10.0
# So much of what a layer puts out is what the next one gets.
_TAKEN = 10.0


def non_finite_signal(findings: Findings) -> Verdict | None:
    """NaN or infinity."""
    kind = "non_finite_signal"
    if any(not _is_finite(row.std) for row in findings.inputs):
        text = "the inputs have NaN or infinity. Clean or scale the data."
        return Verdict(kind, None, text)
    if not findings.seen.has_signal:
        return _non_finite_kernel(findings)
    row = next((row for row in findings.rows if not _is_finite(row.std)), None)
    if row is None:
        return None
    name = findings.name(row)
    what = f"{name} is the first layer whose output has NaN or infinity."
    if any(not _is_finite(kernel.norm) for kernel in row.kernels):
        cause = "Its kernel has NaN or infinity: load or draw its weights again."
    elif row.dtype == "float16":
        cause = (
            "The largest number of float16 is 65504. Use 'mixed_bfloat16', or a "
            "smaller scale: `keras_initx.lsuv(model, x)`."
        )
    else:
        before = findings.linear_until(row)
        if (found := cause_of(findings, segment(findings, row), 1)) is not None:
            return verdict_on(kind, findings, found, what, before, 1)
        cause = f"Its inputs are finite. {scale_remedy(findings, row, before, 1)}"
    return Verdict(kind, row.path, f"{what} {cause}")


def _non_finite_kernel(findings: Findings) -> Verdict | None:
    """The same for the weights alone."""
    for row in findings.rows:
        if any(not _is_finite(kernel.norm) for kernel in row.kernels):
            text = (
                f"the kernel of {findings.name(row)} has NaN or infinity: load or draw "
                "its weights again."
            )
            return Verdict("non_finite_signal", row.path, text)
    return None


def vanishing_signal(findings: Findings) -> Verdict | None:
    """Pre-activations that become small and stay so to the end."""
    if not findings.seen.has_signal:
        return predicted_scale("vanishing_signal", findings, -1)
    scale = _scale_of_inputs(findings)
    rows = [
        row
        for row in findings.linear
        if row.kernel_norm > 0 and not is_small_end(findings, row)
    ]
    limit = VANISHING * min(1.0, scale)
    first = first_of_tail(rows, lambda row: row.scale < limit)
    if first is None:
        return _small_kernel(findings, rows, SMALL * min(1.0, scale))
    what = (
        f"from {findings.name(first)} on, the standard deviation of the pre-"
        f"activations is below {limit:.1g}; in the last layer it is "
        f"{findings.linear[-1].scale:.2g}."
    )
    made_it = segment(findings, first)
    is_dead = any((row.dead or 0.0) > DEAD for row in made_it[:-1])
    cause = None if is_dead else cause_of(findings, made_it, -1)
    before = findings.linear_until(first)
    if cause is None:
        remedy = scale_remedy(findings, first, before, -1)
        return Verdict("vanishing_signal", first.path, f"{what} {remedy}")
    return verdict_on("vanishing_signal", findings, cause, what, before, -1)


def _small_kernel(
    findings: Findings, rows: list[LayerRow], limit: float
) -> Verdict | None:
    """One kernel, but the last one, that nearly takes the signal away."""
    hidden = [row for row in rows[:-1] if not row.is_output]
    first = first_of_tail(hidden, lambda row: row.scale < limit)
    if first is None or not _is_taken(findings, first):
        return None
    cause = cause_of(findings, segment(findings, first), -1)
    if cause is None or not (cause.is_kernel and cause.factor >= SMALL_KERNEL):
        return None
    what = f"The next layer gets {_next(findings, first)}."
    return verdict_on("vanishing_signal", findings, cause, what, [cause.row], -1)


def exploding_signal(findings: Findings) -> Verdict | None:
    """Pre-activations that become large."""
    if not findings.seen.has_signal:
        return predicted_scale("exploding_signal", findings, 1)
    limit = EXPLODING * max(1.0, _scale_of_inputs(findings))
    large = [
        row
        for row in findings.linear
        if limit < row.scale < math.inf
        and not (findings.normalization(row) or _is_judged_by_loss(findings, row))
    ]
    if not large:
        return _large_kernel(findings)
    first, largest = large[0], max(row.scale for row in large)
    what = (
        f"from {findings.name(first)} on, the standard deviation of the pre-"
        f"activations is above {limit:.1g}, up to {largest:.2g}."
    )
    cause = cause_of(findings, segment(findings, first), 1)
    before = findings.linear_until(first)
    if cause is None:
        remedy = remedy_of_growth(findings, first, before)
        return Verdict("exploding_signal", first.path, f"{what} {remedy}")
    return verdict_on("exploding_signal", findings, cause, what, before, 1)


def _large_kernel(findings: Findings) -> Verdict | None:
    """Kernels or biases that make the signal large by themselves."""
    start = max(
        [1.0, _scale_of_inputs(findings)]
        + [math.hypot(row.std or 0.0, row.mean or 0.0) for row in findings.inputs]
    )
    for row in findings.linear:
        is_large = LARGE * start < row.rms < math.inf
        if not is_large or findings.is_normalized(row) or _is_told(findings, row):
            continue
        if _is_judged_by_loss(findings, row):
            continue
        is_last = row.is_output or row is findings.linear[-1]
        cause = cause_of(findings, segment(findings, row), 1)
        if cause is None or not (is_last or _is_taken(findings, row)):
            continue
        if not cause.is_kernel and (cause.row.cosine or 0.0) > COLLAPSED:
            # A constant was added: that is told as such.
            continue
        if cause.factor >= LARGE_KERNEL or cause.product >= LARGE_KERNELS:
            what = (
                f"The root mean square of the pre-activations of {findings.name(row)} "
                f"is {row.rms:.2g}."
            )
            before = findings.linear_until(row)
            return verdict_on("exploding_signal", findings, cause, what, before, 1)
    return None


def _is_judged_by_loss(findings: Findings, row: LayerRow) -> bool:
    """Whether these are outputs that are judged beside their targets."""
    is_last = row.is_output or row is findings.linear[-1]
    return is_last and bool(findings.seen.tasks or row.activation in PROBABILITIES)


def _is_told(findings: Findings, row: LayerRow) -> bool:
    """Whether a large signal shows here, or in the next layer, as a flat activation."""
    start = findings.place(row.path)
    after = [findings.place(each.path) for each in findings.linear_from(row)[2:3]]
    until = after[0] if after else len(findings.rows)
    rows = findings.rows[start:until]
    is_flat = any((each.saturated or 0.0) > SATURATED for each in rows)
    return is_flat or row.saturated is not None or (row.dead or 0.0) > DEAD


def _is_taken(findings: Findings, row: LayerRow) -> bool:
    """Whether the next linear layer gets what this one puts out, and nothing else."""
    following = findings.linear_from(row)[1:2]
    got = following[0].input_rms if following else None
    if got is None or row.rms <= 0:
        return False
    return 1 / _TAKEN < got / row.rms < _TAKEN


def _next(findings: Findings, row: LayerRow) -> str:
    """What the next linear layer gets, in words."""
    (following,) = findings.linear_from(row)[1:2]
    return (
        f"inputs of a root mean square of {following.input_rms or 0:.2g}: its kernel "
        "learns slowly, and what comes before it more slowly"
    )


def _scale_of_inputs(findings: Findings) -> float:
    """Their standard deviation; that of the first layer where they are integers."""
    found = [row.std for row in (*findings.inputs, *findings.rows[:1]) if row.std]
    return found[0] if found else 1.0


def _is_finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)
