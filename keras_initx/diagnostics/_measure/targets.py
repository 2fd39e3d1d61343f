"""What the targets of a model are: their range and scale, and how often each is."""

import dataclasses
import math

import numpy as np

from keras_initx.diagnostics._measure.known_losses import (
    BINARY,
    CATEGORICAL,
    REGRESSION,
    SPARSE,
)
from keras_initx.diagnostics._measure.task import Task

# How many class frequencies are kept; of more, the largest.
_MOST = 1000
# Of more numbers than these a part is looked at.
_MANY = 2**22
_TINY = 1e-7
# Probabilities in bfloat16 lie between 0 and 1 within this, and sum to 1.
PROBABLE = 1e-2


@dataclasses.dataclass
class TargetRow:
    """The targets of one output.

    Attributes:
        name: str. That of the output, where there are several.
        kind: str. `"regression"`, `"binary"`, `"categorical"`, `"sparse"`, or empty.
        samples: int.
        count: int. How many numbers, or classes, are compared: samples times positions.
        mean: float or None. Of numbers; None for numbers of classes.
        std: float or None. The same.
        minimum: float.
        maximum: float.
        frequencies: list of float. Of the classes; for binary targets, of zeros and
            ones.
        entropy: float or None. Of these frequencies: the cross-entropy of the best
            guess that does not look at the inputs. The start of a loss is near it, or
            near log(classes).
        is_equal: bool. Whether all samples have the same targets.
        is_finite: bool. Whether there is no NaN and no infinity.
    """

    name: str
    kind: str
    samples: int
    count: int
    minimum: float
    maximum: float
    mean: float | None = None
    std: float | None = None
    frequencies: list[float] = dataclasses.field(default_factory=list)
    entropy: float | None = None
    is_equal: bool = False
    is_finite: bool = True

    def __str__(self) -> str:
        name = f" of '{self.name}'" if self.name else ""
        start = f"Targets{name}: {self.count} "
        if not self.frequencies:
            if self.mean is None or self.std is None:
                return f"{start}from {self.minimum:.3g} to {self.maximum:.3g}."
            return f"{start}numbers, mean {self.mean:.3g}, std {self.std:.3g}."
        shares = np.array(self.frequencies)
        used = int((shares > 0).sum())
        words = f"{start}labels, {used} of {len(shares)} classes occur, the most "
        words += f"frequent in {100 * shares.max():.3g} %"
        return f"{words}; entropy {self.entropy or 0:.3g}."


def target_row(task: Task) -> TargetRow:
    """What the targets of a task are."""
    targets, weights = looked_at(task)
    if targets.dtype.kind not in "biuf" or targets.size == 0:
        return TargetRow(task.name, task.kind, len(np.atleast_1d(targets)), 0, 0.0, 0.0)
    values = targets.astype("float64")
    is_finite = bool(np.isfinite(values).all())
    row = TargetRow(
        task.name,
        task.kind,
        samples=len(values) if values.ndim else 1,
        count=values.size,
        minimum=float(np.min(values)),
        maximum=float(np.max(values)),
        is_finite=is_finite,
    )
    row.is_equal = row.samples > 1 and bool((values == values[:1]).all())
    if task.kind in (REGRESSION, "") and is_finite:
        row.mean, row.std = float(values.mean()), float(values.std())
    elif is_finite:
        found = frequencies(task, values, weights)
        if found is not None:
            row.count, row.entropy = round(float(found.sum())), entropy_of(found)
            shares = found / max(found.sum(), _TINY)
            row.frequencies = np.sort(shares)[::-1][:_MOST].tolist()
            if shares.size <= _MOST:
                row.frequencies = shares.tolist()
    return row


def is_in_range(task: Task) -> bool:
    """Whether the loss can be computed: PyTorch's raises for other targets."""
    if task.kind == BINARY and "hinge" not in task.loss:
        targets = np.asarray(task.targets)
        is_number = targets.dtype.kind in "biuf" and targets.size > 0
        return not is_number or bool(
            targets.min() >= -PROBABLE and targets.max() <= 1 + PROBABLE
        )
    return task.labels_out_of_range.size == 0


def looked_at(task: Task) -> tuple[np.ndarray, np.ndarray | None]:
    """The targets and their weights; of many, those beside the outputs."""
    targets = np.asarray(task.targets)
    if targets.size <= _MANY:
        return targets, task.all_weights
    return np.asarray(task.compared), task.weights


def frequencies(
    task: Task, values: np.ndarray, weights: np.ndarray | None
) -> np.ndarray | None:
    """How often each class occurs, among the targets that count; None if unknown."""
    classes = task.classes
    if task.kind == SPARSE and classes > 1:
        labels = values.reshape(-1)
        is_used = (labels >= 0) & (labels < classes)
        if weights is not None and weights.size == labels.size:
            is_used &= weights.reshape(-1) != 0
        return np.bincount(labels[is_used].astype("int64"), minlength=classes) * 1.0
    if values.min() < 0 or values.max() > 1:
        return None
    if task.kind == CATEGORICAL and values.shape[-1] == classes:
        return values.reshape(-1, classes).sum(axis=0)
    if task.kind == BINARY:
        ones = float(values.sum())
        return np.array([values.size - ones, ones])
    return None


def entropy_of(counts: np.ndarray) -> float:
    """The entropy of frequencies, in nats."""
    total = counts.sum()
    shares = counts[counts > 0] / total if total else np.ones(1)
    return max(0.0, -math.fsum(shares * np.log(shares)))
