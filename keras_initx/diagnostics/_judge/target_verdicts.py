"""Verdicts on the targets."""

import math
from typing import NamedTuple

import numpy as np

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.targets import (
    PROBABLE,
    TargetRow,
    is_in_range,
    loss_at_start,
)
from keras_initx.diagnostics._measure.tasks import (
    BINARY,
    CATEGORICAL,
    REGRESSION,
    SPARSE,
    Task,
)

# Eight labels of two equally frequent classes are all the same in one batch of 128.
FEW = 8
# A network of two hidden layers learns targets with Adam up to this scale nearly as
# well as targets of scale 1 (mean and deviation of prices: R2 of 0.74 against 0.93 at
# 20), and SGD diverges from 100 on.
LARGE = 300.0
# The error of outputs whose targets are a hundredth of it stays ten times the targets
# after 1500 steps; prices' returns of a hundredth are usual all the same.
SMALL = 1e-3
# The entropy beside that of equal classes: two classes of 1 % and 99 % have 0.08.
RARE = 0.1
# The loss begins at so many times the entropy, and at least so far above it.
EXCESS, LEAST = 3.0, 0.3
# An output of 0.9 for targets of 1, or of 0.1 for targets of 0.
KNOWN = 0.11

_SQUARES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")


class _Pair(NamedTuple):
    task: Task
    row: TargetRow

    @property
    def of(self) -> str:
        return f" of '{self.task.name}'" if self.task.name else ""


def labels_out_of_range(findings: Findings) -> Verdict | None:
    """Targets that the loss has no meaning for."""
    for pair in _pairs(findings):
        found = _out_of_range(pair)
        if found is not None:
            wrong, advice = found
            text = f"the targets{pair.of} {wrong}. {advice}"
            return Verdict("labels_out_of_range", pair.task.layer, text)
    return None


def constant_targets(findings: Findings) -> Verdict | None:
    """Targets that are the same for all samples."""
    for pair in _pairs(findings):
        task, row = pair
        if row.samples < FEW or not row.is_finite or not _is_constant(findings, pair):
            continue
        what = "the same"
        if row.minimum == row.maximum:
            what = f"{row.maximum:.4g}"
        text = (
            f"the targets{pair.of} of all {row.samples} samples are {what}: nothing can "
            "be learned from them but a bias. Check how they are made; samples that "
            "are sorted by class must be shuffled, `order = "
            "np.random.permutation(len(y)); x, y = x[order], y[order]`, before a batch "
            "is taken. Where one class is rare, pass a larger batch."
        )
        return Verdict("constant_targets", task.layer, text)
    return None


def unscaled_targets(findings: Findings) -> Verdict | None:
    """Targets of a regression on another scale than the outputs."""
    for pair in _pairs(findings):
        task, row = pair
        scales = _scales(pair)
        if scales is None or row.mean is None or row.std is None:
            continue
        error, outputs = scales
        is_large = error > LARGE * max(outputs, 1.0)
        # Outputs that are far too large are a fault of their own.
        is_small = 0 < row.std < SMALL * min(error, 1.0)
        if not (is_large or is_small):
            continue
        text = (
            f"the targets{pair.of} have mean {row.mean:.2g} and standard deviation "
            f"{row.std:.2g}, and the outputs have a standard deviation of "
            f"{outputs:.2g}: the way there is too long for the weights, or the steps "
            f"too large. Use `{_standardize(task)}`, and undo it on what the model "
            "predicts."
        )
        return Verdict("unscaled_targets", task.layer, text)
    return None


def rare_classes(findings: Findings) -> Verdict | None:
    """Classes of a hundredth, to which the outputs give a half or a tenth at first."""
    for pair in _pairs(findings):
        task, row = pair
        start = _start_of_rare(pair)
        layer = _last_linear(findings, task)
        if start is None or layer is None or row.entropy is None:
            continue
        text = (
            f"the most frequent class of the targets{pair.of} makes up "
            f"{100 * max(row.frequencies):.4g} %, and the loss begins at {start:.2g} "
            f"where a guess by frequencies has {row.entropy:.2g}: the first updates go "
            f"into the bias alone. Let the bias of {findings.name(layer)} start with "
            f"the frequencies: `{_prior(task, layer)}`."
        )
        return Verdict("rare_classes", task.layer, text)
    return None


def _pairs(findings: Findings) -> list[_Pair]:
    """The tasks of a known kind, with what is known of their targets."""
    seen = findings.seen
    pairs = map(_Pair, seen.tasks, seen.targets)
    return [pair for pair in pairs if pair.task.kind and pair.row.count]


# Out of range


def _out_of_range(pair: _Pair) -> tuple[str, str] | None:
    """What is wrong with the targets, and what to do; None if nothing is."""
    (task, row), y = pair, _code(pair.task)
    if not row.is_finite:
        return (
            "have NaN or infinity",
            f"Leave these samples out: `keep = np.isfinite(np.reshape({y}, (len({y}), "
            "-1))).all(axis=1); x, y = x[keep], y[keep]`.",
        )
    if task.kind == SPARSE:
        return _wrong_numbers(task)
    if task.kind == BINARY and not _is_hinge(task):
        return None if is_in_range(task) else _wrong_binary(row, y)
    if task.kind == CATEGORICAL and not _is_hinge(task):
        return _wrong_rows(task)
    return None


def _is_hinge(task: Task) -> bool:
    return "hinge" in task.loss


def _wrong_numbers(task: Task) -> tuple[str, str] | None:
    """Class numbers that no output stands for."""
    wrong, classes = task.labels_out_of_range, task.classes
    labels, y = np.asarray(task.targets), _code(task)
    if wrong.size == 0:
        if (labels == np.round(labels)).all():
            return None
        return (
            "are fractions where the loss takes the numbers of classes",
            "Use `loss = 'mse'` for quantities.",
        )
    some = ", ".join(f"{label:.6g}" for label in wrong[:3])
    more = ", ..." if wrong.size > 3 else ""
    words = (
        f"have the class numbers {some}{more}, where the {classes} outputs stand for "
        f"0 to {classes - 1}"
    )
    least, most = labels.min(), labels.max()
    if most - least < classes and classes > 1:
        return words, f"Count from 0: `{y} = {y} - ({least:.6g})`."
    if classes == 1:
        return (
            words,
            "For two classes and one output use `loss = 'binary_crossentropy'` with "
            "'sigmoid' as the last activation.",
        )
    if least < 0:
        anew = f"{y} = np.unique({y}, return_inverse=True)[1]"
        return words, f"Number the classes anew: `{anew}`."
    return words, f"Give the last layer {most + 1:.6g} units, one for each class."


def _wrong_binary(row: TargetRow, y: str) -> tuple[str, str] | None:
    """Targets that are no probabilities."""
    words = (
        f"lie between {row.minimum:.4g} and {row.maximum:.4g}, where a binary cross-"
        "entropy takes 0 to 1"
    )
    if row.minimum >= 0 and 100 < row.maximum <= 255:
        return words, f"Scale them: `{y} = {y} / 255`."
    least, width = row.minimum, row.maximum - row.minimum
    if width == 0:
        return words, "Check how they are made."
    return words, f"For two classes use `{y} = ({y} - ({least:.6g})) / {width:.6g}`."


def _wrong_rows(task: Task) -> tuple[str, str] | None:
    """Rows that are no probabilities of classes that exclude each other."""
    rows, y = np.asarray(task.targets, "float64"), _code(task)
    if rows.shape[-1] != task.classes or task.classes < 2:
        return None
    rows = rows.reshape(-1, task.classes)
    # One number in a row may be a weight times one-hot, as in policy gradients; rows
    # of zeros are left out.
    used = rows[np.count_nonzero(rows, axis=1) > 1]
    sums = used.sum(axis=1)
    is_wrong = np.abs(sums - 1) > PROBABLE
    if not is_wrong.any() and not (used < -PROBABLE).any():
        return None
    share = 100 * is_wrong.sum() / len(rows)
    return (
        f"have rows that do not sum to 1 ({share:.3g} % of them, up to "
        f"{sums.max():.4g}), where a categorical cross-entropy takes classes that "
        "exclude each other",
        "For several labels at a time use `loss = 'binary_crossentropy'` with "
        "'sigmoid' as the last activation; for one use "
        f"`{y} = {y} / np.maximum({y}.sum(axis=-1, keepdims=True), 1e-9)`.",
    )


# Constant


def _is_constant(findings: Findings, pair: _Pair) -> bool:
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


def _scales(pair: _Pair) -> tuple[float, float] | None:
    """How far the targets are from the outputs, and how far these spread."""
    task, row = pair
    outputs = np.asarray(task.outputs, "float64")
    targets = np.asarray(task.compared)
    if (
        task.loss not in _SQUARES
        or not row.is_finite
        or targets.dtype.kind not in "biuf"
    ):
        return None
    if targets.size != outputs.size or not np.isfinite(outputs).all():
        return None
    differences = targets.astype("float64").reshape(outputs.shape) - outputs
    return float(np.sqrt(np.mean(differences**2))), float(outputs.std())


def _standardize(task: Task) -> str:
    y = _code(task)
    return f"{y} = ({y} - {y}.mean(axis=0)) / ({y}.std(axis=0) + 1e-9)"


def _code(task: Task) -> str:
    """Python code for the targets of a task."""
    return getattr(task, "code", "y").replace("'", '"')


# Rare


def _start_of_rare(pair: _Pair) -> float | None:
    """The loss at the start, if it is far above the entropy of rare classes."""
    task, row = pair
    if task.kind == REGRESSION or _is_hinge(task) or not row.entropy or row.count < FEW:
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
    units = layer.units
    arguments = _code(task)
    if task.kind == BINARY:
        arguments = f'np.reshape({arguments}, (-1, {units})), "sigmoid"'
    elif task.kind == SPARSE:
        arguments += f", classes={units}"
    prior = f"keras_initx.PriorBias.from_labels({arguments})"
    return f'model.get_layer("{name}").bias.assign({prior}(({units},)))'
