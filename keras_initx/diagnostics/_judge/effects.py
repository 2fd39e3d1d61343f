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
_SCALE = {"large_logits", "large_outputs"}
_LOSS = {"non_finite_gradient", "no_gradient", "vanishing_gradient"}
# The effects of a fault in the layers after it, or in all gradients, are not told.
EFFECTS = {
    "broadcast_targets": _SCALE,
    "probabilities_as_logits": _LOSS,
    "logits_as_probabilities": _LOSS | _SCALE,
    "double_softmax": {"probabilities_as_logits", "vanishing_gradient"},
    "exclusive_sigmoid": _LOSS,
    "unreachable_targets": _SILENCE | _SCALE,
    "large_logits": {"large_update"},
    "large_outputs": {"large_update"},
    "unscaled_inputs": _SCALE,
    "dominant_feature": _SCALE,
    "uncentered_inputs": _SCALE,
    "ids_as_numbers": _SCALE,
    "unscaled_targets": _SCALE,
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
    "exploding_signal": {"uneven_samples"} | _SCALE,
    "no_gradient": {"vanishing_gradient"},
}
