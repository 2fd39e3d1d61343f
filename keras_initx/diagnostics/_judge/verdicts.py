"""The verdicts: what is wrong, where it begins, and what to use instead."""

from collections.abc import Callable

from keras_initx.diagnostics._judge.activation_verdicts import (
    dead_units,
    saturated_units,
)
from keras_initx.diagnostics._judge.effects import EFFECTS, OF_DATA
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.gradient_verdicts import (
    exploding_gradient,
    no_gradient,
    non_finite_gradient,
    vanishing_gradient,
)
from keras_initx.diagnostics._judge.input_verdicts import (
    constant_inputs,
    dominant_feature,
    ids_as_numbers,
    uncentered_inputs,
    unscaled_inputs,
)
from keras_initx.diagnostics._judge.kernel_verdicts import (
    duplicate_kernels,
    selu_without_lecun_normal,
    symmetric_units,
    zero_taps,
)
from keras_initx.diagnostics._judge.label_verdicts import labels_out_of_range
from keras_initx.diagnostics._judge.large_verdicts import large_logits, large_outputs
from keras_initx.diagnostics._judge.loss_verdicts import (
    broadcast_targets,
    dominant_regularization,
)
from keras_initx.diagnostics._judge.output_verdicts import (
    double_softmax,
    exclusive_sigmoid,
    logits_as_probabilities,
    probabilities_as_logits,
)
from keras_initx.diagnostics._judge.reach_verdicts import unreachable_targets
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
from keras_initx.diagnostics._judge.target_verdicts import (
    constant_targets,
    rare_classes,
    unscaled_targets,
)
from keras_initx.diagnostics._judge.verdict import HEALTHY, Verdict
from keras_initx.diagnostics._measure.seen import Seen

# In the order in which they are told: causes before their effects. Each gives verdicts
# of its own name.
_JUDGES: tuple[Callable[[Findings], Verdict | None], ...] = (
    explodes_over_time,
    non_finite_signal,
    constant_inputs,
    ids_as_numbers,
    dominant_feature,
    unscaled_inputs,
    uncentered_inputs,
    labels_out_of_range,
    constant_targets,
    unscaled_targets,
    rare_classes,
    broadcast_targets,
    probabilities_as_logits,
    logits_as_probabilities,
    double_softmax,
    exclusive_sigmoid,
    unreachable_targets,
    symmetric_units,
    duplicate_kernels,
    zero_taps,
    selu_without_lecun_normal,
    dead_units,
    saturated_units,
    gates_shut,
    vanishing_signal,
    exploding_signal,
    constant_output,
    collapsed_inputs,
    uneven_samples,
    large_logits,
    large_outputs,
    dominant_regularization,
    non_finite_gradient,
    no_gradient,
    vanishing_gradient,
    exploding_gradient,
    forgets,
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
    if cause is verdict or verdict.kind not in EFFECTS.get(cause.kind, ()):
        return False
    if cause.kind in OF_DATA:
        return True
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
