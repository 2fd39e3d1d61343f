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
# The effects of a fault in the layers after it, or in all gradients, are not told.
EFFECTS = {
    "explodes_over_time": {
        "non_finite_signal",
        "exploding_signal",
        "uneven_samples",
        "saturated_units",
        "non_finite_gradient",
        "exploding_gradient",
    },
    "gates_shut": _SILENCE | {"forgets"},
    # An input of another scale drowns the others.
    "unscaled_inputs": {"drowned_branch", "no_gradient"},
    "dominant_feature": {"drowned_branch", "no_gradient"},
    "large_logits": {"no_gradient"},
    "ids_as_numbers": {"drowned_branch"},
    "drowned_tokens": {"drowned_branch"},
    "drowned_branch": {
        "exploding_signal",
        "collapsed_inputs",
        "uneven_samples",
        "exploding_gradient",
        "vanishing_gradient",
    },
    "frozen_layers": _SILENCE | {"exploding_signal", "exploding_gradient"},
    "silent_branches": {"no_gradient", "vanishing_gradient"},
    "float16_underflow": {"vanishing_gradient"},
    "unused_layers": {"no_gradient", "vanishing_gradient"},
    "non_finite_signal": {"non_finite_gradient"},
    "symmetric_units": _SILENCE | {"silent_branches"},
    "dead_units": _SILENCE | {"silent_branches"},
    "constant_output": {"vanishing_signal", "collapsed_inputs", "no_gradient"},
    "collapsed_inputs": {"constant_output"},
    "vanishing_signal": {"collapsed_inputs", "constant_output", "uneven_samples"},
    # A softmax or a sigmoid that is exactly 0 or 1 has no slope.
    "saturated_units": {"no_gradient"},
    "exploding_signal": {"uneven_samples", "no_gradient"},
    "no_gradient": {"vanishing_gradient"},
}

# What makes the gradient too large or too small does so to the first update.
_BEFORE_THE_UPDATE = (
    "non_finite_signal",
    "unscaled_inputs",
    "ids_as_numbers",
    "dominant_feature",
    "labels_out_of_range",
    "unscaled_targets",
    "broadcast_targets",
    "probabilities_as_logits",
    "large_logits",
    "dominant_regularization",
    "nothing_trains",
    "no_gradient",
    "float16_underflow",
    "large_embeddings",
    "explodes_over_time",
    "vanishing_signal",
    "exploding_signal",
    "constant_output",
    "non_finite_gradient",
    "vanishing_gradient",
    "exploding_gradient",
)
for _cause in _BEFORE_THE_UPDATE:
    EFFECTS[_cause] = EFFECTS.get(_cause, set()) | {"large_update", "small_update"}
