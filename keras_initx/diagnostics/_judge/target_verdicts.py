"""Verdicts on the targets."""

import math

import numpy as np

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.target_pairs import (
    Pair,
    pairs_of,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.known_losses import (
    BINARY,
    DISTANCES,
    HINGES,
    REGRESSION,
    SPARSE,
)
from keras_initx.diagnostics._measure.loss_facts import loss_at_start
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.task import Task

# Eight labels of two equally frequent classes are all the same in one batch of 128.
FEW = 8
# A network of two hidden layers learns targets with Adam up to this scale nearly as
# well as targets of scale 1 (mean and deviation of prices: R2 of 0.74 against 0.93 at
# 20), and SGD diverges from 100 on.
LARGE = 300.0
# Far from zero: temperatures of 290 with a deviation of 8 go from a loss of 83,700 to
# 81,500 in 120 steps of Adam. Prices of 22 with one of 9 train.
FAR = 30.0
# The error of outputs whose targets are a hundredth of it stays ten times the targets
# after 1500 steps; prices' returns of a hundredth are usual all the same.
SMALL = 1e-3
# The entropy beside that of equal classes: two classes of 1 % and 99 % have 0.08.
RARE = 0.1
# The loss begins at so many times the entropy, and at least so far above it.
EXCESS, LEAST = 3.0, 0.3
# An output of 0.9 for targets of 1, or of 0.1 for targets of 0.
KNOWN = 0.11


def constant_targets(findings: Findings) -> Verdict | None:
    """Targets that are the same for all samples."""
    for pair in pairs_of(findings):
        task, row = pair
        if row.samples < FEW or not row.is_finite or not _is_constant(findings, pair):
            continue
        what = "the same"
        if row.minimum == row.maximum:
            what = f"{row.maximum:.4g}"
        text = (
            f"the targets{pair.of} of all {row.samples} samples are {what}: nothing "
            "can be learned from them but a bias. Check how they are made; samples "
            "that are sorted by class must be shuffled, `order = "
            "np.random.permutation(len(y)); x, y = x[order], y[order]`, before a batch "
            "is taken. Where one class is rare, pass a larger batch."
        )
        return Verdict("constant_targets", task.layer, text)
    return None


def unscaled_targets(findings: Findings) -> Verdict | None:
    """Targets of a regression on another scale than the outputs."""
    for pair in pairs_of(findings):
        task, row = pair
        scales = _scales(pair)
        if scales is None or row.mean is None or row.std is None:
            continue
        error, outputs = scales
        size = max(outputs, 1.0)
        is_large = error > LARGE * size or error > FAR * max(size, row.std)
        # Outputs that are far too large are a fault of their own.
        is_small = 0 < row.std < SMALL * min(error, 1.0)
        if not (is_large or is_small):
            continue
        text = (
            f"the targets{pair.of} have mean {row.mean:.2g} and standard deviation "
            f"{row.std:.2g}, and the outputs have a standard deviation of "
            f"{outputs:.2g}: small steps take too long to get there, and large ones "
            f"diverge. Use `{_standardize(task)}`, and undo it on what the model "
            "predicts."
        )
        return Verdict("unscaled_targets", task.layer, text)
    return None


def rare_classes(findings: Findings) -> Verdict | None:
    """Classes of a hundredth, to which the outputs give a half or a tenth at first."""
    for pair in pairs_of(findings):
        task, row = pair
        start = _start_of_rare(pair)
        layer = _last_linear(findings, task)
        if start is None or layer is None or row.entropy is None:
            continue
        text = (
            f"the most frequent class of the targets{pair.of} makes up "
            f"{100 * max(row.frequencies):.4g} %, and the loss starts at {start:.2g} "
            f"where a guess by frequencies has {row.entropy:.2g}: the first updates go "
            f"into the bias alone. Let the bias of {findings.name(layer)} start with "
            f"the frequencies: `{_prior(task, layer)}`."
        )
        return Verdict("rare_classes", task.layer, text)
    return None


# Constant


def _is_constant(findings: Findings, pair: Pair) -> bool:
    task, row = pair
    if not row.is_equal:
        return False
    if task.kind == REGRESSION:
        # Zeros are the targets of a residual that shall vanish.
        return not row.minimum == row.maximum == 0
    if task.kind == BINARY:
        # A generator is trained to be taken for real, by a layer that stays.
        last = _last_linear(findings, task)
        kernel = None if last is None else last.kernel
        # A bias may say that a class is rare, before the first sample of it.
        is_known = (loss_at_start(task) or 1.0) < KNOWN
        return not is_known and (kernel is None or kernel.is_trainable)
    return task.kind == SPARSE or row.entropy == 0


# The scale


def _scales(pair: Pair) -> tuple[float, float] | None:
    """How far the targets are from the outputs, and how far these spread."""
    task, row = pair
    outputs = np.asarray(task.outputs, "float64")
    targets = np.asarray(task.compared)
    if (
        task.loss not in DISTANCES
        or not row.is_finite
        or targets.dtype.kind not in "biuf"
    ):
        return None
    if targets.size != outputs.size or not np.isfinite(outputs).all():
        return None
    differences = targets.astype("float64").reshape(outputs.shape) - outputs
    return float(np.sqrt(np.mean(differences**2))), float(outputs.std())


def _standardize(task: Task) -> str:
    y = task.code
    return f"{y} = ({y} - {y}.mean(axis=0)) / ({y}.std(axis=0) + 1e-9)"


# Rare


def _start_of_rare(pair: Pair) -> float | None:
    """The loss at the start, if it is far above the entropy of rare classes."""
    task, row = pair
    if (
        task.kind == REGRESSION
        or task.loss in HINGES
        or not row.entropy
        or row.count < FEW
    ):
        return None
    if row.minimum < 0 or not row.frequencies:
        return None
    equal = math.log(min(task.classes, row.count))
    if row.entropy > RARE * equal:
        return None
    start = loss_at_start(task)
    if start is None or start < max(EXCESS * row.entropy, row.entropy + LEAST):
        return None
    return start


def _last_linear(findings: Findings, task: Task) -> LayerRow | None:
    """The layer whose bias the outputs of a task begin with."""
    place = findings.place(task.layer)
    rows = findings.linear if place < 0 else findings.linear_until(findings.rows[place])
    return rows[-1] if rows else None


def _prior(task: Task, layer: LayerRow) -> str:
    """Code that sets the bias by the targets."""
    name = layer.path.split("/")[-1]
    code = layer.code or f'model.get_layer("{name}")'
    units = layer.units
    arguments = task.code
    if task.kind == BINARY:
        arguments = f'np.reshape({arguments}, (-1, {units})), "sigmoid"'
    elif task.kind == SPARSE:
        arguments += f", classes={units}"
    prior = f"keras_initx.PriorBias.from_labels({arguments})"
    return f"{code}.bias.assign({prior}(({units},)))"
