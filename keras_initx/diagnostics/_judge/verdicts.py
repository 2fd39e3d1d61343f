"""The verdicts: what is wrong, where it begins, and what to use instead."""

from keras_initx.diagnostics._judge.effects import EFFECTS, OF_DATA
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.judges import JUDGES, JUDGES_OF_WEIGHTS
from keras_initx.diagnostics._judge.verdict import HEALTHY, Verdict
from keras_initx.diagnostics._measure.seen import Seen


def verdicts(seen: Seen) -> list[Verdict]:
    """What is wrong; or the one verdict that nothing is."""
    findings = Findings(seen)
    judges = JUDGES if seen.has_signal else JUDGES_OF_WEIGHTS
    found = [verdict for judge in judges if (verdict := judge(findings))]
    told = [
        verdict
        for rank, verdict in enumerate(found)
        if not any(
            _is_effect(findings, cause, verdict, is_first=place < rank)
            for place, cause in enumerate(found)
        )
    ]
    return told or [_healthy(findings)]


def _is_effect(
    findings: Findings, cause: Verdict, verdict: Verdict, is_first: bool
) -> bool:
    """Whether one verdict follows from another, whose layer comes before its own."""
    if cause is verdict or verdict.kind not in EFFECTS.get(cause.kind, ()):
        return False
    if cause.kind in OF_DATA:
        return True
    distance = findings.place(verdict.layer) - findings.place(cause.layer)
    is_later = distance > 0 or (distance == 0 and is_first)
    return is_later or verdict.is_of_gradient


def _healthy(findings: Findings) -> Verdict:
    if not findings.seen.has_signal:
        count = sum(len(row.kernels) for row in findings.rows)
        text = (
            f"only the weights were looked at, {count} kernels. Pass `x` to see the "
            "signal, and `y` and a loss to see the gradient too."
        )
        return Verdict(HEALTHY, None, text)
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
        text += " Pass `y` and a loss to see the gradient too."
    return Verdict(HEALTHY, None, text)
