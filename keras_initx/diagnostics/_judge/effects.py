"""Which verdicts follow from which: the effects of a fault are not told.

An effect is one in the layers after its cause, or in all gradients; that of the data
may be anywhere.
"""

_UPDATES = {"large_update", "small_update"}
_OUTPUTS = {"large_logits", "large_outputs"}
_GATES = {"gates_shut", "saturated_gates", "forgets", "explodes_over_time"}
_SILENCE = {
    "dead_units",
    "vanishing_signal",
    "constant_output",
    "collapsed_inputs",
    "uneven_samples",
    "no_gradient",
    "vanishing_gradient",
    *_UPDATES,
}
_NOISE = {
    "exploding_signal",
    "saturated_units",
    "uneven_samples",
    "one_hot_attention",
    "non_finite_gradient",
    "exploding_gradient",
    *_OUTPUTS,
    *_UPDATES,
}
_BY_KERNELS = _OUTPUTS | {
    "vanishing_signal",
    "exploding_signal",
    "saturated_units",
    "constant_output",
    "collapsed_inputs",
    "uneven_samples",
    "vanishing_gradient",
    "exploding_gradient",
}
_BY_DATA = {
    "selu_without_lecun_normal",
    "drowned_branch",
    "unscaled_targets",
    *_SILENCE,
    *_NOISE,
    *_GATES,
}
_OF_FEATURES = {"uncentered_inputs", "unscaled_inputs", "dominant_feature"}
# Their effects begin at the inputs, wherever they are found.
OF_DATA = {"constant_inputs", "ids_as_numbers", *_OF_FEATURES}
_BY_LOSS = {"no_gradient", "non_finite_gradient", "vanishing_gradient", *_UPDATES}

EFFECTS = {
    # Of the data and the targets
    "constant_inputs": _BY_DATA
    | _OF_FEATURES
    | {"ids_as_numbers", "constant_targets", "rare_classes", "symmetric_units"},
    "ids_as_numbers": _BY_DATA | _OF_FEATURES,
    "dominant_feature": _BY_DATA | _OF_FEATURES,
    "unscaled_inputs": _BY_DATA | {"uncentered_inputs"},
    "uncentered_inputs": _OUTPUTS
    | {"collapsed_inputs", "constant_output", "small_update"},
    "labels_out_of_range": _UPDATES
    | {
        "exclusive_sigmoid",
        "non_finite_gradient",
        "rare_classes",
        "unreachable_targets",
    },
    "constant_targets": {"rare_classes", "unscaled_targets"},
    "unscaled_targets": _OUTPUTS | _UPDATES | {"exploding_gradient"},
    # Of the loss and the outputs
    "broadcast_targets": _OUTPUTS | _UPDATES,
    "probabilities_as_logits": _BY_LOSS,
    "logits_as_probabilities": _BY_LOSS | _OUTPUTS,
    "double_softmax": _BY_LOSS | {"probabilities_as_logits"},
    "exclusive_sigmoid": _BY_LOSS,
    "unreachable_targets": _SILENCE | _OUTPUTS | {"unscaled_targets"},
    "large_logits": _UPDATES | {"no_gradient"},
    "large_outputs": _UPDATES,
    "dominant_regularization": _UPDATES,
    # Of what does not train
    "nothing_trains": _UPDATES,
    "frozen_layers": _SILENCE | {"exploding_signal", "exploding_gradient"},
    "unused_layers": {"no_gradient", "vanishing_gradient"},
    "float16_underflow": {"vanishing_gradient", *_UPDATES},
    # Of the kernels
    "symmetric_units": _SILENCE | _OUTPUTS | {"silent_branches"},
    "wrong_fans": _BY_KERNELS | _UPDATES,
    "variance_as_deviation": _BY_KERNELS | _UPDATES,
    # Of single layers
    "normalization_of_one": _SILENCE | {"forgets"},
    "large_embeddings": _NOISE
    | _GATES
    | {"non_finite_signal", "vanishing_gradient", "unscaled_targets"},
    "small_embeddings": _SILENCE | {"drowned_tokens", "forgets"},
    "drowned_tokens": {"collapsed_inputs", "drowned_branch", "vanishing_gradient"},
    "one_hot_attention": _NOISE | {"no_gradient", "vanishing_gradient"},
    "dead_units": _SILENCE | {"silent_branches"},
    "saturated_units": {"no_gradient", "exploding_gradient"},
    "drowned_branch": _NOISE | {"collapsed_inputs", "vanishing_gradient"},
    "silent_branches": {"no_gradient", "vanishing_gradient"},
    # Of recurrent layers
    "explodes_over_time": _NOISE | {"non_finite_signal", "collapsed_inputs"},
    "gates_shut": _SILENCE | {"forgets"},
    "saturated_gates": _GATES
    | {"exploding_gradient", "no_gradient", "uneven_samples", "vanishing_gradient"},
    "forgets": {"collapsed_inputs"},
    # Of the signal and the gradient
    "non_finite_signal": _NOISE | {"saturated_gates"},
    "vanishing_signal": _UPDATES
    | {
        "collapsed_inputs",
        "constant_output",
        "strong_noise",
        "uneven_samples",
        "vanishing_gradient",
    },
    "exploding_signal": _NOISE | {"no_gradient", "saturated_gates", "unscaled_targets"},
    "constant_output": _SILENCE | _OUTPUTS | {"strong_noise"},
    "collapsed_inputs": _OUTPUTS | {"constant_output"},
    "no_gradient": _UPDATES | {"vanishing_gradient"},
    "non_finite_gradient": _UPDATES | {"exploding_gradient"},
    "vanishing_gradient": _UPDATES,
    "exploding_gradient": _UPDATES,
}
