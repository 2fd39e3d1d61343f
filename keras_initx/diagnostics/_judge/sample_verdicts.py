"""Verdicts on what becomes of different inputs."""

from keras_initx.diagnostics._judge.activation_facts import (
    ActivationFacts,
    activation_facts,
)
from keras_initx.diagnostics._judge.expected_cosine import expected_cosine
from keras_initx.diagnostics._judge.findings import Findings, first_of_tail
from keras_initx.diagnostics._judge.pasted import code_of, other_activation, other_end
from keras_initx.diagnostics._judge.remedies import (
    UNFREEZE,
    amplification,
    amplifying_layers,
    is_choice,
    other_than_choice,
    other_than_mean,
    scale_remedy,
    stabilize,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow

# Angles below 8 degrees, and ten times smaller in 1 - cos than those of the inputs.
# Rectifiers with `he_normal` are there after some 50 layers: on small images of digits
# 30 layers learn well, 60 slowly, 100 not at all.
COLLAPSED, CLOSER = 0.99, 0.1
# Most of what a sigmoid puts out is the same for all inputs, and the first steps take
# that out of the next layer: on the same images 1 to 3 layers learn as well as others,
# with 1 - cos down to 5e-5 and a factor of 18 for each layer; 5 layers (2e-7) hardly.
COLLAPSED_MEANS = 1 - 1e-6
# With rectifiers 1 - cos falls as 44 over the square of the depth, and varies by a
# factor of three from draw to draw. It counts more the more layers have to learn from
# it: the limit is `COLLAPSED` at 50 layers, and grows with the square of the depth,
# from 0.001 on (images of noise, averaged by the 19 layers of VGG, have 0.003).
DEEP, LEAST = 50, 1e-3
# Activations of which `looks_linear` makes a linear function.
_MIRRORED = ("relu", "leaky_relu", "gelu", "silu", "hard_silu", "softplus")
# What is nearer to 1 than this may be the rounding of a cosine in float32.
ROUNDING = 1e-5
FEW_UNITS = 8
# A factor of a thousand between samples, as for the scale of the whole batch.
UNEVEN = 1e3


def constant_output(findings: Findings) -> Verdict | None:
    """Outputs that do not depend on the inputs."""
    first = first_of_tail(findings.rows, lambda row: row.is_constant)
    if first is None:
        return None
    tail = findings.rows[findings.place(first.path) :]
    norms = [row.kernel_norm for row in tail if row.fan_in is not None]
    if norms and not any(norms) and first.kernel_norm == 0:
        # A last kernel of zeros is a common choice, in each of several heads too, and
        # learns.
        return None
    text = (
        f"from {findings.name(first)} on, all outputs are the same for all inputs. "
        f"{_advice_on_constants(findings, first)}"
    )
    return Verdict("constant_output", first.path, text)


def collapsed_inputs(findings: Findings) -> Verdict | None:
    """Different inputs whose activations become the same direction."""
    start = _start(findings, "cosine", 0.0)
    limit = max(COLLAPSED, 1 - CLOSER * (1 - start))
    rows = [row for row in _compared(findings) if row.cosine is not None]
    limits = _limits(findings, rows, limit)
    first = first_of_tail(rows, lambda row: (row.cosine or 0.0) > limits[row.path])
    if first is None or limit > 1 - ROUNDING or _follows_few(findings, first):
        return None
    limit = limits[first.path]
    first = _first_without_kernel(findings, first, limit)
    text = (
        f"from {findings.name(first)} on, the outputs for different inputs have a mean "
        f"cosine above {limit:.7g}; it was {start:.2g} at first. The layers after it "
        f"can hardly tell inputs apart. {_advice(findings, first)}"
    )
    return Verdict("collapsed_inputs", first.path, text)


def uneven_samples(findings: Findings) -> Verdict | None:
    """Samples that differ in their scale, by far more than the inputs do."""
    limit = UNEVEN * max(1.0, _start(findings, "spread", 1.0))
    rows = [row for row in _compared(findings) if row.spread is not None]
    first = first_of_tail(rows, lambda row: (row.spread or 0.0) > limit)
    if first is None or _follows_few(findings, first):
        return None
    activation = findings.activation(first)
    count, reason = amplifying_layers(findings, activation), ""
    if count:
        reason = f"{amplification(count, activation)}. "
    text = (
        f"from {findings.name(first)} on, the outputs for one input are more than "
        f"{limit:.1g} times as large as those for another, up to "
        f"{max(row.spread or 0.0 for row in rows):.2g} times. {reason}`lsuv` sets the "
        f"scale of the whole batch only. {stabilize(findings, activation)}"
    )
    return Verdict("uneven_samples", first.path, text)


def _compared(findings: Findings) -> list[LayerRow]:
    """The layers whose outputs for several inputs are compared.

    What the last layer and a softmax put out is near to a constant by design, and a few
    units often have one sign.
    """
    return [
        row
        for row in findings.linear[:-1]
        if row.units >= FEW_UNITS and not (row.is_output or row.activation == "softmax")
    ]


def _start(findings: Findings, quantity: str, default: float) -> float:
    """What a quantity was at first: that of the inputs, if it is known."""
    known = [getattr(row, quantity) for row in (*findings.inputs, *findings.rows)]
    return next((value for value in known if value is not None), default)


def _limits(findings: Findings, rows: list[LayerRow], limit: float) -> dict[str, float]:
    """The limit of each layer's cosine, which outputs with a mean come near."""
    limits, current = {}, limit
    for row in rows:
        activation = findings.activation(row)
        facts = activation_facts(activation)
        if facts is not None and facts.has_mean:
            current = _limit_of_means(findings, facts, limit)
        elif facts is not None and activation:
            current = limit
        # A linear or an unknown function has the mean of what it gets.
        limits[row.path] = current
    return limits


def _limit_of_means(findings: Findings, facts: ActivationFacts, limit: float) -> float:
    if facts.is_mostly_mean:
        return max(limit, COLLAPSED_MEANS)
    growth = (len(findings.linear) / DEEP) ** 2
    if not _is_chain(findings):
        growth = min(growth, 1.0)
    return 1 - max(LEAST, (1 - limit) * growth)


def _is_chain(findings: Findings) -> bool:
    """Whether each layer gets only what the one before it made, as it is."""
    is_cut = any(row.type == "Add" or row.is_normalization for row in findings.rows)
    return not (is_cut or findings.seen.merges)


def _follows_few(findings: Findings, row: LayerRow) -> bool:
    """Whether the layer before has so few units that their sign is all they tell."""
    place = [other.path for other in findings.linear].index(row.path)
    return place > 0 and findings.linear[place - 1].units < FEW_UNITS


def _first_without_kernel(findings: Findings, row: LayerRow, limit: float) -> LayerRow:
    """The layer before without a kernel, such as a `ReLU`, where it began."""
    for other in reversed(findings.rows[: findings.place(row.path)]):
        if other.fan_in is not None or (other.cosine or 0.0) <= limit:
            break
        row = other
    return row


def _advice_on_constants(findings: Findings, row: LayerRow) -> str:
    """What to do against outputs that are all the same."""
    activation = findings.activation(row)
    if row.activation == "softmax" and row.units == 1:
        why = "A softmax over one unit is always 1."
        return f"{why} {_instead_of_one_unit(findings, row)}"
    if is_choice(activation):
        return other_than_choice(activation)
    if activation and row.mean == 0 and row.kernel_norm > 0:
        # All pre-activations are within the part of the activation that is zero.
        return scale_remedy(findings, row, findings.linear_until(row), -1)
    return "Check the kernels and biases there, and the data."


def _instead_of_one_unit(findings: Findings, row: LayerRow) -> str:
    """A sigmoid, or for class numbers as many units as there are classes."""
    tasks = [task for task in findings.seen.tasks if task.layer == row.path]
    if not (tasks and tasks[0].kind == "sparse" and row.kernels):
        return other_activation(findings, row, "sigmoid")
    layer = f'keras.layers.Dense({int(tasks[0].targets.max()) + 1}, "softmax")'
    return f"Use `{other_end(findings, f'{layer}({code_of(row)}.input)')}`."


def _advice(findings: Findings, row: LayerRow) -> str:
    """What to do against a collapse, by what made the outputs alike."""
    if findings.place(row.path) < findings.place(findings.linear[0].path):
        return "No kernel comes before it: scale the data as the model expects them."
    if findings.is_frozen(row):
        return (
            "They are frozen: load weights that have learned, or let them learn, "
            f"{UNFREEZE}, and compile the model again."
        )
    activation = findings.activation(row)
    if is_choice(activation):
        return other_than_choice(activation)
    facts = activation_facts(activation)
    if facts is None or not facts.has_mean:
        return (
            'Use `bias_initializer="zeros"`, or '
            "`keras_initx.lsuv(model, x, center=True)`."
        )
    if facts.is_mostly_mean:
        return other_than_mean(activation)
    if _is_chain(findings) and activation in _MIRRORED:
        expected = expected_cosine(
            findings, findings.linear[:-1], _start(findings, "cosine", 0.0)
        )
        theory = "" if expected is None else f" (in theory to {expected:.4f})"
        return (
            f"The outputs of {activation!r} have a mean, which adds up layer by layer"
            f"{theory}. Call `keras_initx.looks_linear(model)`, so that the model "
            "starts as a "
            "linear function at any depth. Or add the input of each block to its "
            "output."
        )
    return (
        f"The outputs of {activation!r} have a mean, which adds up layer by layer, and "
        "so do large biases. Use zero biases and add the input of each block to its "
        "output, or use 'tanh' with `kernel_initializer=\"haar_orthogonal\"` instead, "
        "or `keras_initx.CReLU` with `keras_initx.LooksLinear`."
    )
