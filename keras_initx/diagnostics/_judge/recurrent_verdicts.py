"""Verdicts on recurrent layers: what becomes of the signal from step to step."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.over_time import OverTime
from keras_initx.diagnostics._measure.rows import LayerRow

# Training can bring back a gradient of a thousandth. An LSTM of Keras has some 1e-4
# over 30 steps, and less over 100, and learns from what comes late.
FORGETS = 1e-5
# Over more steps than these, what comes late is a small part. Over fewer, a layer is at
# fault if it forgets within ten steps: 0.3^10 = 6e-6, while Keras's GRU has some 0.6.
LONG, AT_ONCE = 200, 0.3
_TINY = 1e-38
# As for the gradient through layers.
EXPLODES = 1e4
SHUT = 0.5
# More than half: their pre-activations have a deviation above 5, where 1 is usual.
SWUNG = 0.5
# Keras's kernels have at most 2, and a deviation of 5 needs one of 25.
LARGE_KERNEL = 10.0

_ORTHOGONAL = '`recurrent_initializer="gate_orthogonal"`'


def explodes_over_time(findings: Findings) -> Verdict | None:
    """States, or gradients, that grow with each step."""
    for row, seen in _recurrent(findings):
        # A state that overflows is not finite.
        grows = seen.first_std > 0 and not seen.last_std <= EXPLODES * seen.first_std
        ratio = seen.gradient_ratio
        if not grows and not (ratio is not None and ratio > EXPLODES):
            continue
        what = []
        if grows:
            what.append(
                f"the standard deviation of the state grows from {seen.first_std:.2g} "
                f"to {seen.last_std:.2g}"
            )
        if ratio is not None and ratio > EXPLODES:
            what.append(
                f"the gradient at the first step is {ratio:.2g} times that at the last"
            )
        text = (
            f"in {findings.name(row)}, over {seen.steps} steps, {' and '.join(what)}. "
            f"Use {_ORTHOGONAL}, or with 'relu' "
            '`recurrent_initializer="gate_identity"`, and clip the gradient: '
            "`clipnorm=1.0` in the optimizer."
        )
        return Verdict("explodes_over_time", row.path, text)
    return None


def gates_shut(findings: Findings) -> Verdict | None:
    """Gates through which nearly nothing passes."""
    for row, seen in _recurrent(findings):
        if seen.shut_units is None or seen.shut_units <= SHUT:
            continue
        text = (
            f"in {findings.name(row)} the gates of {100 * seen.shut_units:.3g} % of "
            "the units let less than 3 % of their inputs pass to the output, over all "
            f"{seen.steps} steps. Use {_chrono(row, seen)}, or "
            '`bias_initializer="zeros"`.'
        )
        return Verdict("gates_shut", row.path, text)
    return None


def saturated_gates(findings: Findings) -> Verdict | None:
    """Gates that inputs and states, and not their biases, take to their bounds."""
    for row, seen in _recurrent(findings):
        is_swung = (seen.swung_gates or 0.0) > SWUNG
        # Units that are copies of each other add up, whatever their scale is.
        if not is_swung or any(kernel.has_equal_units for kernel in row.kernels):
            continue
        text = (
            f"in {findings.name(row)} {100 * (seen.swung_gates or 0.0):.3g} % of the "
            "values of the gates are taken to within 3 % of 0 or 1, where they have "
            f"nearly no slope. {_smaller(row)}"
        )
        return Verdict("saturated_gates", row.path, text)
    return None


def forgets(findings: Findings) -> Verdict | None:
    """States that are lost at once, or gradients that do not get to the first step."""
    for row, seen in _recurrent(findings):
        if (seen.forgetful_units or 0.0) > SHUT:
            text = (
                f"in {findings.name(row)} {100 * (seen.forgetful_units or 0.0):.3g} % "
                "of the units keep less than 3 % of their state from one step to the "
                f"next: only the last step counts. {_open_gates(row, seen)}"
            )
            return Verdict("forgets", row.path, text)
        ratio = seen.gradient_ratio
        if ratio is None or not ratio < FORGETS or not _is_short(seen, ratio):
            continue
        text = (
            f"in {findings.name(row)} the gradient at the first of {seen.steps} steps "
            f"is {ratio:.2g} times that at the last: what comes early is hardly "
            f"learned. {_longer_memory(row, seen)} If only late steps matter, leave it."
        )
        return Verdict("forgets", row.path, text)
    return None


def _is_short(seen: OverTime, ratio: float) -> bool:
    """Whether a memory is too short for the steps that there are."""
    by_step = max(ratio, _TINY) ** (1 / (seen.steps - 1))
    return seen.steps > LONG or by_step < AT_ONCE


def _smaller(row: LayerRow) -> str:
    """What makes the pre-activations of the gates smaller."""
    large = [k for k in row.kernels if k.scaled_variance > LARGE_KERNEL]
    if large:
        name = large[0].path.split("/")[-1]
        argument, value = "kernel_initializer", "glorot_uniform"
        if name == "recurrent_kernel":
            argument, value = "recurrent_initializer", "orthogonal"
        return (
            f"Its {name.replace('_', ' ')} has {large[0].scaled_variance:.2g} times "
            f'the variance 1 / fan_in. Use `{argument}="{value}"`.'
        )
    return "Its inputs are large. Put `keras.layers.LayerNormalization()` before it."


def _open_gates(row: LayerRow, seen: OverTime) -> str:
    """Biases with which a unit keeps its state."""
    zeros = '`bias_initializer="zeros"`'
    if row.type != "GRU":
        zeros += " and `unit_forget_bias=True`"
    return f"Use {zeros}; for a long memory {_chrono(row, seen)}."


def _recurrent(findings: Findings) -> list[tuple[LayerRow, OverTime]]:
    """The recurrent layers, and what was seen of them over time."""
    pairs = [(row, row.over_time) for row in findings.rows]
    return [(row, seen) for row, seen in pairs if seen is not None and seen.steps > 1]


def _longer_memory(row: LayerRow, seen: OverTime) -> str:
    """What to use instead."""
    if seen.shut_units is None:
        return (
            'Use `activation="relu"` with `recurrent_initializer="gate_identity"`, or '
            f"an `LSTM` with {_chrono(row, seen)}."
        )
    return f"Use {_ORTHOGONAL}, {_chrono(row, seen)}."


def _chrono(row: LayerRow, seen: OverTime) -> str:
    """The biases that fit to the length of the sequences."""
    if row.type == "GRU":
        return f'`bias_initializer=keras_initx.ChronoBias({seen.steps}, layer="gru")`'
    return (
        f"`bias_initializer=keras_initx.ChronoBias({seen.steps})` and "
        "`unit_forget_bias=False`"
    )
