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
_SCALE = {
    "saturated_units",
    "vanishing_signal",
    "exploding_signal",
    "constant_output",
    "collapsed_inputs",
    "uneven_samples",
    "vanishing_gradient",
    "exploding_gradient",
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
    "non_finite_signal": {"non_finite_gradient"},
    "symmetric_units": _SILENCE,
    "wrong_fans": _SCALE,
    "variance_as_deviation": _SCALE,
    "dead_units": _SILENCE,
    "constant_output": {"vanishing_signal", "collapsed_inputs", "no_gradient"},
    "collapsed_inputs": {"constant_output"},
    "vanishing_signal": {"collapsed_inputs", "constant_output", "uneven_samples"},
    "exploding_signal": {"uneven_samples", "saturated_units", "large_logits"},
    "no_gradient": {"vanishing_gradient"},
}
