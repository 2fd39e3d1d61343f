"""Which verdicts follow from which: the effects of a fault are not told."""

_SILENCE = {
    "dead_units",
    "vanishing_signal",
    "constant_output",
    "collapsed_inputs",
    "uneven_samples",
    "no_gradient",
    "vanishing_gradient",
}
_BY_DATA = {
    "large_logits",
    "large_outputs",
    "saturated_units",
    "saturated_gates",
    "gates_shut",
    "forgets",
    "one_hot_attention",
    "drowned_branch",
    "explodes_over_time",
    "selu_without_lecun_normal",
    "vanishing_signal",
    "exploding_signal",
    "collapsed_inputs",
    "uneven_samples",
    "dead_units",
    "constant_output",
    "large_update",
    "small_update",
    "no_gradient",
    "vanishing_gradient",
    "exploding_gradient",
    "non_finite_gradient",
    "unscaled_targets",
}
_OF_FEATURES = {"uncentered_inputs", "unscaled_inputs", "dominant_feature"}
# Their effects begin at the inputs, wherever they are found.
OF_DATA = {"constant_inputs", "ids_as_numbers", *_OF_FEATURES}
_SCALE = {"large_logits", "large_outputs"}
_LOSS = {"non_finite_gradient", "no_gradient", "vanishing_gradient"}
# The effects of a fault in the layers after it, or in all gradients, are not told.
EFFECTS = {
    "broadcast_targets": _SCALE,
    "probabilities_as_logits": _LOSS,
    "logits_as_probabilities": _LOSS | _SCALE,
    "double_softmax": {"probabilities_as_logits", "vanishing_gradient"},
    "exclusive_sigmoid": _LOSS,
    "unreachable_targets": _SILENCE | _SCALE | {"unscaled_targets"},
    "large_logits": {"large_update"},
    "large_outputs": {"large_update"},
    "large_embeddings": _SCALE,
    "variance_as_deviation": _SCALE,
    "wrong_fans": _SCALE,
    "explodes_over_time": {
        "non_finite_signal",
        "exploding_signal",
        "uneven_samples",
        "saturated_units",
        "non_finite_gradient",
        "exploding_gradient",
    },
    "gates_shut": _SILENCE | {"forgets"},
    "non_finite_signal": {"non_finite_gradient"},
    "symmetric_units": _SILENCE | _SCALE,
    "dead_units": _SILENCE,
    "constant_output": {"vanishing_signal", "collapsed_inputs", "no_gradient"} | _SCALE,
    "collapsed_inputs": {"constant_output"} | _SCALE,
    "vanishing_signal": {"collapsed_inputs", "constant_output", "uneven_samples"},
    "constant_inputs": {
        *_BY_DATA,
        *_OF_FEATURES,
        "ids_as_numbers",
        "constant_targets",
        "symmetric_units",
        "rare_classes",
    },
    "ids_as_numbers": _BY_DATA | _OF_FEATURES,
    "dominant_feature": _BY_DATA | _OF_FEATURES,
    "unscaled_inputs": _BY_DATA | {"uncentered_inputs"},
    "uncentered_inputs": _SCALE
    | {"collapsed_inputs", "constant_output", "small_update"},
    "labels_out_of_range": {
        "unreachable_targets",
        "exclusive_sigmoid",
        "non_finite_gradient",
        "large_update",
        "rare_classes",
    },
    "constant_targets": {"rare_classes", "unscaled_targets"},
    "unscaled_targets": _SCALE | {"large_update", "exploding_gradient", "small_update"},
    "exploding_signal": {"uneven_samples"} | _SCALE,
    "no_gradient": {"vanishing_gradient"},
}
