"""What a verdict says of the layer that is the cause."""

from keras_initx.diagnostics._judge.activation_facts import activation_facts
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.own_gain import (
    BIASES,
    Cause,
    kernel_gain,
    needed_gain,
)
from keras_initx.diagnostics._judge.remedies import (
    NORMALIZE,
    kernel_remedy,
    needs,
    scale_remedy,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow


def verdict_on(
    kind: str,
    findings: Findings,
    cause: Cause,
    what: str,
    rows: list[LayerRow],
    direction: int,
) -> Verdict:
    """The verdict on a scale that one layer is the cause of, or several alike.

    Args:
        kind: str.
        findings: Findings.
        cause: Cause.
        what: str. A sentence on what it brings about.
        rows: list of LayerRow. The layers that made the scale what it is.
        direction: int. 1 if the scale is too large, -1 if it is too small.
    """
    sentence = f"{told(findings, cause)}. {what[0].upper()}{what[1:]}"
    remedy = cause_remedy(findings, cause, rows, direction)
    return Verdict(kind, cause.row.path, f"{sentence} {remedy}")


def told(findings: Findings, cause: Cause) -> str:
    """What a layer does to the scale."""
    row, name = cause.row, findings.name(cause.row)
    if cause.what == BIASES:
        return (
            f"the biases of {name} have a root mean square of {row.bias_rms or 0:.2g}, "
            f"beside inputs of {row.input_rms or 0:.2g}"
        )
    gain = row.own_gain if row.own_gain is not None else kernel_gain(row)
    more = ""
    if cause.others:
        more = f", and {cause.others} more layers do the same"
        if cause.others == 1:
            more = ", and one more layer does the same"
    if not cause.is_kernel:
        return f"{name} multiplies the scale of its inputs by {gain:.2g}{more}"
    return (
        f"{name} multiplies the scale of its inputs by {gain:.2g}, where "
        f"{needs(findings.activation(row))} {needed_gain(findings, row):.2g}{more}"
    )


def cause_remedy(
    findings: Findings, cause: Cause, rows: list[LayerRow], direction: int
) -> str:
    """What to use where one layer is the cause, or the first of several."""
    if cause.what == BIASES:
        return 'Use `bias_initializer="zeros"` there.'
    if not cause.is_kernel:
        return f"Take that factor out, or put {NORMALIZE} after it."
    activation = findings.activation(cause.row)
    facts = activation_facts(activation)
    if cause.others or facts is None or facts.is_mostly_mean:
        return scale_remedy(findings, cause.row, rows, direction)
    return kernel_remedy(findings, activation, facts, [cause.row], direction)
