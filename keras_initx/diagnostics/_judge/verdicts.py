"""The verdicts: what is wrong, where it begins, and what to use instead."""

from collections.abc import Callable

from keras_initx.diagnostics._judge.activation_verdicts import (
    dead_units,
    saturated_units,
)
from keras_initx.diagnostics._judge.cut_verdicts import (
    float16_underflow,
    frozen_layers,
    nothing_trains,
    unused_layers,
)
from keras_initx.diagnostics._judge.effects import EFFECTS
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.gradient_verdicts import (
    exploding_gradient,
    no_gradient,
    non_finite_gradient,
    vanishing_gradient,
)
from keras_initx.diagnostics._judge.kernel_verdicts import (
    duplicate_kernels,
    selu_without_lecun_normal,
    symmetric_units,
    zero_taps,
)
from keras_initx.diagnostics._judge.merge_verdicts import (
    drowned_branch,
    silent_branches,
)
from keras_initx.diagnostics._judge.recurrent_verdicts import (
    explodes_over_time,
    forgets,
    gates_shut,
)
from keras_initx.diagnostics._judge.sample_verdicts import (
    collapsed_inputs,
    constant_output,
    uneven_samples,
)
from keras_initx.diagnostics._judge.scale_verdicts import (
    exploding_signal,
    non_finite_signal,
    vanishing_signal,
)
from keras_initx.diagnostics._judge.update_verdicts import (
    large_update,
    small_update,
    strong_weight_decay,
)
from keras_initx.diagnostics._judge.verdict import HEALTHY, Verdict
from keras_initx.diagnostics._measure.seen import Seen

# In the order in which they are told: causes before their effects. Each gives verdicts
# of its own name.
_JUDGES: tuple[Callable[[Findings], Verdict | None], ...] = (
    nothing_trains,
    frozen_layers,
    unused_layers,
    float16_underflow,
    explodes_over_time,
    non_finite_signal,
    symmetric_units,
    duplicate_kernels,
    zero_taps,
    selu_without_lecun_normal,
    dead_units,
    saturated_units,
    gates_shut,
    drowned_branch,
    silent_branches,
    vanishing_signal,
    exploding_signal,
    constant_output,
    collapsed_inputs,
    uneven_samples,
    non_finite_gradient,
    no_gradient,
    vanishing_gradient,
    exploding_gradient,
    forgets,
    large_update,
    small_update,
    strong_weight_decay,
)


def verdicts(seen: Seen) -> list[Verdict]:
    """What is wrong; or the one verdict that nothing is."""
    findings = Findings(seen)
    found = [verdict for judge in _JUDGES if (verdict := judge(findings))]
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
    if verdict.kind not in EFFECTS.get(cause.kind, ()):
        return False
    distance = findings.place(verdict.layer) - findings.place(cause.layer)
    is_later = distance > 0 or (distance == 0 and is_first)
    return is_later or verdict.is_of_gradient


def _healthy(findings: Findings) -> Verdict:
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
