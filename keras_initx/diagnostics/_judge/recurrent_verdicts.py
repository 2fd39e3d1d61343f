"""Verdicts on recurrent layers: what becomes of the signal from step to step."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.over_time import OverTime
from keras_initx.diagnostics._measure.rows import LayerRow

# Training can bring back a gradient of a thousandth. An LSTM of Keras has some 1e-4
# over 30 steps, and learns.
FORGETS = 1e-5
# As for the gradient through layers.
EXPLODES = 1e4
SHUT = 0.5

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
            f"{seen.steps} steps. Use {_chrono(row, seen)}, or zero biases."
        )
        return Verdict("gates_shut", row.path, text)
    return None


def forgets(findings: Findings) -> Verdict | None:
    """Gradients that do not get back to the first step."""
    for row, seen in _recurrent(findings):
        ratio = seen.gradient_ratio
        if ratio is None or not ratio < FORGETS:
            continue
        text = (
            f"in {findings.name(row)} the gradient at the first of {seen.steps} steps "
            f"is {ratio:.2g} times that at the last: what comes early is hardly "
            f"learned. {_longer_memory(row, seen)} If only late steps matter, leave it."
        )
        return Verdict("forgets", row.path, text)
    return None


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
