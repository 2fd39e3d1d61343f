"""The verdicts: what is wrong, where it begins, and what to use instead."""

from collections.abc import Callable

from keras_initx.diagnostics._judge.findings import Findings, Verdict
from keras_initx.diagnostics._judge.gradient_verdicts import (
    exploding_gradient,
    no_gradient,
    non_finite_gradient,
    vanishing_gradient,
)
from keras_initx.diagnostics._judge.kernel_verdicts import (
    duplicate_kernels,
    selu_without_lecun,
    symmetric_units,
)
from keras_initx.diagnostics._judge.signal_verdicts import (
    collapsed_inputs,
    constant_output,
    dead_units,
    exploding_signal,
    non_finite,
    saturated,
    vanishing_signal,
)
from keras_initx.diagnostics._measure.rows import LayerRow

HEALTHY = "nothing conspicuous"

# In the order in which they are told: causes before what they may bring about.
_VERDICTS: tuple[Callable[[Findings], Verdict | None], ...] = (
    non_finite,
    symmetric_units,
    duplicate_kernels,
    selu_without_lecun,
    dead_units,
    saturated,
    vanishing_signal,
    exploding_signal,
    constant_output,
    collapsed_inputs,
    non_finite_gradient,
    no_gradient,
    vanishing_gradient,
    exploding_gradient,
)

_ALL_OF_SIGNAL = {
    "dead units",
    "vanishing signal",
    "constant output",
    "collapsed inputs",
    "no gradient",
    "vanishing gradient",
}
# What a fault brings about in the layers behind it, or in all gradients, is not told
# again.
_BRINGS_ABOUT = {
    "non-finite signal": {"non-finite gradient"},
    "symmetric units": _ALL_OF_SIGNAL,
    "dead units": _ALL_OF_SIGNAL,
    "constant output": {"vanishing signal", "collapsed inputs", "no gradient"},
    "collapsed inputs": {"constant output"},
    "vanishing signal": {"collapsed inputs", "constant output"},
    "no gradient": {"vanishing gradient"},
}


def verdicts(
    inputs: list[LayerRow], rows: list[LayerRow], loss: float | None
) -> list[Verdict]:
    """What is conspicuous; or the one verdict that nothing is."""
    findings = Findings(inputs, rows, loss)
    found = [verdict for judge in _VERDICTS if (verdict := judge(findings))]
    told = [
        verdict
        for rank, verdict in enumerate(found)
        if not any(
            _brings_about(findings, cause, verdict, is_first=place < rank)
            for place, cause in enumerate(found)
        )
    ]
    return told or [_nothing(findings)]


def _brings_about(
    findings: Findings, cause: Verdict, verdict: Verdict, is_first: bool
) -> bool:
    """Whether one verdict follows from another, whose layer comes before its own."""
    if verdict.kind not in _BRINGS_ABOUT.get(cause.kind, ()):
        return False
    distance = findings.place(verdict.layer) - findings.place(cause.layer)
    is_behind = distance > 0 or (distance == 0 and is_first)
    return is_behind or "gradient" in verdict.kind


def _nothing(findings: Findings) -> Verdict:
    rows = findings.linear or findings.rows
    stds = [
        row.pre_activation_std for row in rows if row.pre_activation_std is not None
    ]
    text = "no layer was seen."
    if stds:
        text = (
            f"the standard deviations of the pre-activations lie between "
            f"{min(stds):.2g} and {max(stds):.2g}."
        )
    if findings.loss is None:
        text += " With `y` and a loss the gradient is looked at too."
    return Verdict(HEALTHY, None, text)
