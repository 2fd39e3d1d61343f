"""The names of what can be wrong."""

import enum

from keras_initx._registry import public


@public("diagnostics")
class VerdictKind(enum.StrEnum):
    """The kinds of verdicts: stable names that code can compare.

    Each member is a string, and equal to the `kind` of a verdict. `docs/verdicts.md`
    has a section on each, and the `url` of a verdict is its address: what is measured,
    the threshold and where it comes from, a network that has the fault, and the remedy.
    They stand in the order of that page: the data, the targets, the outputs and the
    loss, what trains, the kernels, single layers, recurrent layers, the signal by
    depth, the gradient and the first update.

    Examples:
    >>> keras_initx.diagnostics.VerdictKind.DEAD_UNITS == "dead_units"
    True
    """

    HEALTHY = "healthy"
    # The data
    NON_FINITE_SIGNAL = "non_finite_signal"
    CONSTANT_INPUTS = "constant_inputs"
    UNSCALED_INPUTS = "unscaled_inputs"
    IDS_AS_NUMBERS = "ids_as_numbers"
    DOMINANT_FEATURE = "dominant_feature"
    UNCENTERED_INPUTS = "uncentered_inputs"
    # The targets
    CONSTANT_TARGETS = "constant_targets"
    LABELS_OUT_OF_RANGE = "labels_out_of_range"
    UNSCALED_TARGETS = "unscaled_targets"
    RARE_CLASSES = "rare_classes"
    # The outputs and the loss
    BROADCAST_TARGETS = "broadcast_targets"
    PROBABILITIES_AS_LOGITS = "probabilities_as_logits"
    LOGITS_AS_PROBABILITIES = "logits_as_probabilities"
    DOUBLE_SOFTMAX = "double_softmax"
    EXCLUSIVE_SIGMOID = "exclusive_sigmoid"
    UNREACHABLE_TARGETS = "unreachable_targets"
    LARGE_LOGITS = "large_logits"
    LARGE_OUTPUTS = "large_outputs"
    DOMINANT_REGULARIZATION = "dominant_regularization"
    # What trains
    NOTHING_TRAINS = "nothing_trains"
    FROZEN_LAYERS = "frozen_layers"
    UNUSED_LAYERS = "unused_layers"
    NO_GRADIENT = "no_gradient"
    FLOAT16_UNDERFLOW = "float16_underflow"
    # The kernels
    SYMMETRIC_UNITS = "symmetric_units"
    DUPLICATE_KERNELS = "duplicate_kernels"
    ZERO_TAPS = "zero_taps"
    WRONG_FANS = "wrong_fans"
    VARIANCE_AS_DEVIATION = "variance_as_deviation"
    SELU_WITHOUT_LECUN_NORMAL = "selu_without_lecun_normal"
    # Single layers
    DEAD_UNITS = "dead_units"
    SATURATED_UNITS = "saturated_units"
    STRONG_NOISE = "strong_noise"
    NORMALIZATION_OF_ONE = "normalization_of_one"
    LARGE_EMBEDDINGS = "large_embeddings"
    SMALL_EMBEDDINGS = "small_embeddings"
    DROWNED_TOKENS = "drowned_tokens"
    ONE_HOT_ATTENTION = "one_hot_attention"
    DROWNED_BRANCH = "drowned_branch"
    SILENT_BRANCHES = "silent_branches"
    # Recurrent layers
    EXPLODES_OVER_TIME = "explodes_over_time"
    GATES_SHUT = "gates_shut"
    SATURATED_GATES = "saturated_gates"
    FORGETS = "forgets"
    # The signal by depth
    VANISHING_SIGNAL = "vanishing_signal"
    EXPLODING_SIGNAL = "exploding_signal"
    CONSTANT_OUTPUT = "constant_output"
    COLLAPSED_INPUTS = "collapsed_inputs"
    UNEVEN_SAMPLES = "uneven_samples"
    # The gradient and the first update
    NON_FINITE_GRADIENT = "non_finite_gradient"
    VANISHING_GRADIENT = "vanishing_gradient"
    EXPLODING_GRADIENT = "exploding_gradient"
    LARGE_UPDATE = "large_update"
    SMALL_UPDATE = "small_update"
    STRONG_WEIGHT_DECAY = "strong_weight_decay"
