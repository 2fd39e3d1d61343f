"""What to use for a scale that is wrong, by the activation and by the kernels."""

import collections
import math

from keras_initx.diagnostics._judge.activation_facts import (
    ActivationFacts,
    activation_facts,
    has_stable_point,
)
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.rows import LayerRow

# On TensorFlow Keras ignores a value that the model itself has already, and does not
# hand it on to its layers.
UNFREEZE = "`model.trainable = False; model.trainable = True`"
NORMALIZE = "`keras.layers.LayerNormalization()`"
CRITICAL = "`keras_initx.critical(model, x)`"
LSUV = "`keras_initx.lsuv(model, x)`, which sets the scale of each kernel by the data"
# Kernels are not the reason of a scale that is wrong by a thousand if all of them
# together change it by less than ten.
_FACTOR = 10.0
_CHOICES = ("softmax", "log_softmax", "sparsemax")


def scale_remedy(
    findings: Findings,
    row: LayerRow,
    rows: list[LayerRow],
    direction: int,
) -> str:
    """What to use for a scale that is wrong at a layer.

    Args:
        findings: Findings.
        row: LayerRow. Where it is wrong.
        rows: list of LayerRow. The linear layers that made it so.
        direction: int. 1 if the scale is too large, -1 if it is too small.
    """
    activation = _activation(findings, row, rows)
    facts = activation_facts(activation)
    if is_choice(activation):
        return other_than_choice(activation)
    if facts is None:
        return f"Use {LSUV}."
    if facts.is_mostly_mean:
        return f"{other_than_mean(activation)} Or use {LSUV}."
    if count := amplifying_layers(findings, activation):
        return (
            f"{amplification(count, activation)}, so that no gain keeps it. "
            f"{stabilize(findings, activation)}"
        )
    return kernel_remedy(findings, activation, facts, rows, direction)


def needs(activation: str) -> str:
    """Who needs a scale, in words."""
    return f"{activation!r} needs" if activation else "a linear layer needs"


def kernel_remedy(
    findings: Findings,
    activation: str,
    facts: ActivationFacts,
    rows: list[LayerRow],
    direction: int,
) -> str:
    """Another initializer, unless the kernels have the right scale already."""
    logs = _scales(findings, rows, activation, facts.gain)
    word = needs(activation)
    if direction * sum(logs) < math.log(_FACTOR):
        return (
            f"The kernels have the scale that {word} already. Put {NORMALIZE} after "
            f"each of these layers, or use {LSUV}."
        )
    ratio = math.exp(2 * sum(logs) / len(logs))
    who = "On average the kernels have" if len(logs) > 1 else "The kernel has"
    return (
        f"{who} {ratio:.2g} times the variance that {word}. Use "
        f"`kernel_initializer={facts.initializer}`, or {LSUV}."
    )


def amplification(count: int, activation: str) -> str:
    """What an activation does to deviations."""
    return f"{count} layers of {activation!r} amplify each deviation of the scale"


def stabilize(findings: Findings, activation: str) -> str:
    """What to use with an activation that amplifies deviations."""
    is_chain = all(row.type != "Add" for row in findings.rows)
    put = f"ut {NORMALIZE} after each of these layers."
    if is_chain and has_stable_point(activation):
        return f"Use {CRITICAL}, or p{put}"
    return f"P{put}"


def is_choice(activation: str) -> bool:
    """Whether the outputs of an activation depend on each other: it chooses."""
    return activation in _CHOICES


def other_than_choice(activation: str) -> str:
    """What to use instead of a softmax within a network."""
    return (
        f"The outputs of {activation!r} depend on each other, and little of the "
        "signal is left: keep it for the last layer, and use 'relu' with "
        '`kernel_initializer="he_normal"` before it.'
    )


def other_than_mean(activation: str) -> str:
    """What to use instead of a sigmoid within a network."""
    return (
        f"Most of the output of {activation!r} is the same for all inputs, whatever "
        "the kernels are. Use 'tanh' with `kernel_initializer=\"haar_orthogonal\"` "
        "instead."
    )


def remedy_of_growth(findings: Findings, row: LayerRow, rows: list[LayerRow]) -> str:
    """What to use for a signal or a gradient that grows."""
    types = {other.type for other in findings.rows}
    if "Add" in types:
        return (
            "Each block that adds its input makes the variance grow, twofold or more. "
            'Use `kernel_initializer="zeros"` for the last kernel of each block, or '
            f"put {NORMALIZE} before each block."
        )
    if "BatchNormalization" in types:
        # The scale of a kernel before one changes nothing.
        return (
            "Each `BatchNormalization` makes the gradient grow on its way back, "
            "whatever the kernels are. Add the input of each block to its output, or "
            "use fewer layers."
        )
    return scale_remedy(findings, row, rows, 1)


def amplifying_layers(findings: Findings, activation: str) -> int:
    """How many layers amplify deviations of the scale; 0 if that does not matter."""
    facts = activation_facts(activation)
    rows = _of_activation(findings, findings.linear, activation)
    if facts is None or facts.drift ** len(rows) < _FACTOR:
        return 0
    return len(rows)


def _activation(findings: Findings, row: LayerRow, rows: list[LayerRow]) -> str:
    """That of the layer; else what most of these layers have.

    So it is at the end, where a softmax makes probabilities.
    """
    own = findings.activation(row)
    if own and not (row.is_output and is_choice(own)):
        return own
    names = collections.Counter(findings.activation(each) for each in rows)
    return names.most_common(1)[0][0] if names else ""


def _of_activation(
    findings: Findings, rows: list[LayerRow], activation: str
) -> list[LayerRow]:
    """The layers of one activation whose scale matters: no normalization follows."""
    return [
        row
        for row in rows
        if findings.activation(row) == activation and not findings.normalization(row)
    ]


def _scales(
    findings: Findings, rows: list[LayerRow], activation: str, gain: float
) -> list[float]:
    """The logarithm of what each kernel does to the scale, too much or too little."""
    found = []
    for row in _of_activation(findings, rows, activation):
        variance = None if row.kernel is None else row.kernel.scaled_variance
        if variance and math.isfinite(variance):
            found.append(math.log(variance) / 2 - math.log(gain))
    return found
