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
_LARGE = {
    "non_finite_signal",
    "exploding_signal",
    "uneven_samples",
    "saturated_units",
    "saturated_gates",
    "one_hot_attention",
    "large_logits",
    "explodes_over_time",
    "gates_shut",
    "forgets",
    "large_update",
    "non_finite_gradient",
    "vanishing_gradient",
    "exploding_gradient",
}
# The effects of a fault in the layers after it, or in all gradients, are not told.
EFFECTS = {
    "large_embeddings": _LARGE,
    "small_embeddings": _SILENCE | {"forgets", "drowned_tokens"},
    "drowned_tokens": {"collapsed_inputs", "vanishing_gradient"},
    "normalization_of_one": _SILENCE | {"forgets"},
    "saturated_gates": {"forgets", "gates_shut", "vanishing_gradient", "no_gradient"},
    "one_hot_attention": {"vanishing_gradient", "no_gradient"},
    "explodes_over_time": {
        "non_finite_signal",
        "exploding_signal",
        "uneven_samples",
        "saturated_units",
        "non_finite_gradient",
        "exploding_gradient",
    },
    "gates_shut": _SILENCE | {"forgets"},
    "forgets": {"collapsed_inputs"},
    "non_finite_signal": {
        "non_finite_gradient",
        "saturated_gates",
        "one_hot_attention",
    },
    "symmetric_units": _SILENCE,
    "dead_units": _SILENCE,
    "constant_output": {"strong_noise", "vanishing_signal", "collapsed_inputs", "no_gradient"},
    "collapsed_inputs": {"constant_output"},
    "vanishing_signal": {"strong_noise", "collapsed_inputs", "constant_output", "uneven_samples"},
    "exploding_signal": {"uneven_samples", "saturated_gates", "one_hot_attention"},
    "no_gradient": {"vanishing_gradient"},
}
