"""Who looks for what: one function for each kind of verdict, and named like it."""

from collections.abc import Callable

from keras_initx.diagnostics._judge import (
    activation_verdicts,
    attention_verdicts,
    cut_verdicts,
    embedding_verdicts,
    gradient_verdicts,
    input_verdicts,
    kernel_verdicts,
    law_verdicts,
    layer_verdicts,
    loss_verdicts,
    merge_verdicts,
    output_verdicts,
    recurrent_verdicts,
    sample_verdicts,
    scale_verdicts,
    target_verdicts,
)
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.verdict import Verdict

Judge = Callable[[Findings], Verdict | None]

# In the order in which they are told: causes before their effects.
JUDGES: tuple[Judge, ...] = (
    cut_verdicts.nothing_trains,
    cut_verdicts.frozen_layers,
    cut_verdicts.unused_layers,
    cut_verdicts.float16_underflow,
    embedding_verdicts.large_embeddings,
    embedding_verdicts.small_embeddings,
    embedding_verdicts.drowned_tokens,
    recurrent_verdicts.saturated_gates,
    recurrent_verdicts.explodes_over_time,
    scale_verdicts.non_finite_signal,
    input_verdicts.constant_inputs,
    input_verdicts.ids_as_numbers,
    input_verdicts.dominant_feature,
    input_verdicts.unscaled_inputs,
    input_verdicts.uncentered_inputs,
    target_verdicts.labels_out_of_range,
    target_verdicts.constant_targets,
    target_verdicts.unscaled_targets,
    target_verdicts.rare_classes,
    loss_verdicts.broadcast_targets,
    output_verdicts.probabilities_as_logits,
    output_verdicts.logits_as_probabilities,
    output_verdicts.double_softmax,
    output_verdicts.exclusive_sigmoid,
    output_verdicts.unreachable_targets,
    kernel_verdicts.symmetric_units,
    kernel_verdicts.duplicate_kernels,
    kernel_verdicts.zero_taps,
    law_verdicts.wrong_fans,
    law_verdicts.variance_as_deviation,
    kernel_verdicts.selu_without_lecun_normal,
    layer_verdicts.strong_noise,
    layer_verdicts.normalization_of_one,
    activation_verdicts.dead_units,
    activation_verdicts.saturated_units,
    attention_verdicts.one_hot_attention,
    recurrent_verdicts.gates_shut,
    merge_verdicts.drowned_branch,
    merge_verdicts.silent_branches,
    recurrent_verdicts.forgets,
    scale_verdicts.vanishing_signal,
    scale_verdicts.exploding_signal,
    sample_verdicts.constant_output,
    sample_verdicts.collapsed_inputs,
    sample_verdicts.uneven_samples,
    loss_verdicts.large_logits,
    loss_verdicts.large_outputs,
    loss_verdicts.dominant_regularization,
    gradient_verdicts.non_finite_gradient,
    gradient_verdicts.no_gradient,
    gradient_verdicts.vanishing_gradient,
    gradient_verdicts.exploding_gradient,
)

# Those that need no more than the weights.
JUDGES_OF_WEIGHTS: tuple[Judge, ...] = (
    scale_verdicts.non_finite_signal,
    kernel_verdicts.symmetric_units,
    kernel_verdicts.duplicate_kernels,
    kernel_verdicts.zero_taps,
    law_verdicts.wrong_fans,
    law_verdicts.variance_as_deviation,
    scale_verdicts.vanishing_signal,
    scale_verdicts.exploding_signal,
)
