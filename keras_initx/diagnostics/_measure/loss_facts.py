"""What a loss is at the start, and what it should be, by outputs and targets."""

import dataclasses
import math

import numpy as np

from keras_initx.diagnostics._measure.known_losses import (
    BINARY,
    CATEGORICAL,
    HINGES,
    REGRESSION,
    SPARSE,
)
from keras_initx.diagnostics._measure.losses import shapes_as_in_keras
from keras_initx.diagnostics._measure.task import Task

# Probabilities sum up to 1; those of half precision, nearly.
_SUM_OF_PROBABILITIES = 1e-2
# What Keras clips probabilities to.
_EPSILON = 1e-7
# So many labels for each class tell its frequency.
_LABELS_FOR_EACH_CLASS = 10
# An entropy that is worth telling.
_SMALLER = 0.95


@dataclasses.dataclass(frozen=True)
class ExpectedLoss:
    """The loss of a model that knows nothing yet.

    Attributes:
        value: float.
        name: str. What it is, such as `"log 10"`.
        entropy: float or None. The entropy of the class frequencies, which the best
            constant probabilities reach, where it is known and smaller.
    """

    value: float
    name: str
    entropy: float | None = None

    def __str__(self) -> str:
        text = f"{self.name} = {self.value:.4g}"
        if self.entropy is not None and self.entropy < _SMALLER * self.value:
            text += f"; the entropy of the class frequencies = {self.entropy:.4g}"
        return text


def expected_loss(tasks: list[Task]) -> ExpectedLoss | None:
    """That of a model of one output; None if it is not known."""
    if len(tasks) != 1 or not _is_plain(tasks[0]):
        return None
    (task,) = tasks
    targets, _ = visible(task)
    if task.kind in (CATEGORICAL, SPARSE) and task.loss.endswith("l_crossentropy"):
        count = task.classes
        return ExpectedLoss(math.log(count), f"log {count}", _entropy(task))
    if task.loss == "binary_crossentropy":
        return ExpectedLoss(math.log(2), "log 2")
    if task.loss == "mean_squared_error" and targets.size:
        value = float(targets.astype("float64").var(axis=0).mean())
        return ExpectedLoss(value, "the variance of the targets")
    return None


def loss_at_start(task: Task) -> float | None:
    """The mean loss of the outputs, where it is known how to compute it."""
    targets, outputs = (part.astype("float64") for part in visible(task))
    if not outputs.size:
        return None
    if task.loss == "mean_squared_error" and targets.shape == outputs.shape:
        return float(np.mean((targets - outputs) ** 2))
    if task.loss == "binary_crossentropy" and targets.shape == outputs.shape:
        return float(np.mean(_binary_losses(task, targets, outputs)))
    if task.loss == "categorical_crossentropy" and targets.shape == outputs.shape:
        logs, smoothing = _log_probabilities(task, outputs), task.label_smoothing
        targets = targets * (1 - smoothing) + smoothing / task.classes
        return float(-np.mean(np.sum(targets * logs, axis=-1)))
    if task.loss == "sparse_categorical_crossentropy":
        numbers = class_numbers(task)
        if numbers is None or task.labels_out_of_range.size:
            return None
        logs = _log_probabilities(task, outputs.reshape(-1, task.classes))
        return float(-np.mean(np.take_along_axis(logs, numbers[:, None], axis=-1)))
    return None


def visible(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The targets and outputs that count: no mask hides them, and no weight of 0."""
    targets, outputs, weights = task.compared, task.outputs, task.weights
    if weights is not None:
        depth = weights.ndim
        if targets.shape[:depth] == outputs.shape[:depth] == weights.shape:
            targets, outputs = (part[weights > 0] for part in (targets, outputs))
    if task.kind in (REGRESSION, BINARY) and targets.size == outputs.size:
        # A last axis of 1 that only one of them has.
        targets = targets.reshape(outputs.shape)
    return targets, outputs


def class_numbers(task: Task) -> np.ndarray | None:
    """The class of each of the visible targets; None where there are no classes.

    Of one-hot targets and others that are probabilities, the likeliest class.
    """
    targets, outputs = visible(task)
    if task.kind == CATEGORICAL and targets.shape == outputs.shape and targets.size:
        return targets.reshape(-1, task.classes).argmax(axis=-1)
    if task.kind == SPARSE and targets.size * task.classes == outputs.size:
        return targets.ravel().astype("int64")
    return None


def logits_of(task: Task) -> np.ndarray | None:
    """The logits of a task of classes, with a mean of 0 over classes that exclude.

    Those of probabilities are the ones that a softmax or a sigmoid makes them of, as
    far as their rounding tells.
    """
    _, outputs = visible(task)
    if task.kind not in (BINARY, CATEGORICAL, SPARSE) or not outputs.size:
        return None
    values = outputs.astype("float64")
    if not task.from_logits:
        if values.min() < 0 or values.max() > 1 + _SUM_OF_PROBABILITIES:
            return None
        clipped = np.clip(values, _EPSILON, 1 - _EPSILON)
        values = np.log(clipped)
        if task.kind == BINARY:
            values = values - np.log1p(-clipped)
    if task.kind != BINARY:
        values = values - values.mean(axis=-1, keepdims=True)
    return values


def are_probabilities(outputs: np.ndarray) -> bool:
    """Whether outputs are probabilities of classes that exclude each other."""
    if outputs.ndim < 2 or outputs.shape[-1] < 2 or not outputs.size:
        return False
    sums = outputs.astype("float64").sum(axis=-1)
    are_one = bool((np.abs(sums - 1) < _SUM_OF_PROBABILITIES).all())
    return are_one and outputs.min() >= 0


def is_broadcast(task: Task) -> bool:
    """Whether a loss compares each output with other targets than its own.

    Losses of Keras add or drop a last axis of one; others are tried.
    """
    if task.kind in (REGRESSION, BINARY):
        targets, outputs = shapes_as_in_keras(task.compared.shape, task.outputs.shape)
        return targets != outputs
    return task.kind == "" and task.is_broadcast


def _is_plain(task: Task) -> bool:
    """Whether the loss is a mean over what counts, and has no weights of its own."""
    weights = task.weights
    is_mean = getattr(task.function, "reduction", "mean") in (
        "mean",
        "sum_over_batch_size",
    )
    is_binary = weights is None or bool(np.isin(weights, (0, 1)).all())
    return is_mean and is_binary and task.loss not in HINGES


def _entropy(task: Task) -> float | None:
    """That of the class frequencies, if there are enough labels to tell them."""
    numbers = class_numbers(task)
    if numbers is None or task.labels_out_of_range.size:
        return None
    if len(numbers) < _LABELS_FOR_EACH_CLASS * task.classes:
        return None
    shares = np.bincount(numbers) / len(numbers)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _log_probabilities(task: Task, outputs: np.ndarray) -> np.ndarray:
    if task.from_logits:
        shifted = outputs - outputs.max(axis=-1, keepdims=True)
        logs: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return logs
    with np.errstate(all="ignore"):
        shares = outputs / outputs.sum(axis=-1, keepdims=True)
    return np.log(np.clip(np.nan_to_num(shares), _EPSILON, 1 - _EPSILON))


def _binary_losses(task: Task, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    smoothing = task.label_smoothing
    targets = targets * (1 - smoothing) + smoothing / 2
    if task.from_logits:
        losses: np.ndarray = np.logaddexp(0, outputs) - targets * outputs
        return losses
    shares = np.clip(outputs, _EPSILON, 1 - _EPSILON)
    return -targets * np.log(shares) - (1 - targets) * np.log1p(-shares)
