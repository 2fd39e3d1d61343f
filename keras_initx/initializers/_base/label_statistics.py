"""What targets say about an output: the frequencies of classes, or means."""

from typing import Any

import numpy as np
from keras import ops

from keras_initx import _validate

_OWNER = "PriorBias.from_labels"


def label_statistics(
    y: Any, activation: str, classes: int | None, smoothing: float | None
) -> list[float] | float:
    """The probabilities, or means, that `PriorBias` takes.

    The arguments are those of `PriorBias.from_labels`.
    """
    y = _array(y)
    if activation == "softmax":
        counts = _counts_of_classes(y, classes)
        total = counts.sum()
        smoothing = _smoothing(smoothing, counts.min())
        found = (counts + smoothing) / (total + smoothing * len(counts))
    elif activation == "sigmoid":
        if y.min() < 0 or y.max() > 1:
            raise _error(
                "targets between 0 and 1 with activation='sigmoid'",
                f"y from {y.min():g} to {y.max():g}",
                "Pass zeros and ones, or activation='softmax' for numbers of classes.",
            )
        ones = _of_outputs(y).sum(axis=0)
        total = _of_outputs(y).shape[0]
        smoothing = _smoothing(smoothing, min(ones.min(), (total - ones).min()))
        found = (ones + smoothing) / (total + 2 * smoothing)
    else:
        found = _of_outputs(y).mean(axis=0)
    return found.tolist() if found.size > 1 else float(found[0])


def _array(y: Any) -> np.ndarray:
    """Targets as float64."""
    array = np.asarray(ops.convert_to_numpy(y)).astype("float64")
    if array.size == 0 or array.ndim == 0 or not np.isfinite(array).all():
        raise _error(
            "targets that are finite numbers, and at least one",
            f"y of shape {array.shape}",
            "Pass the targets of the training data.",
        )
    return array


def _of_outputs(y: np.ndarray) -> np.ndarray:
    """One row for each target, one column for each output."""
    return y.reshape(-1, 1) if y.ndim == 1 else y.reshape(-1, y.shape[-1])


def _counts_of_classes(y: np.ndarray, classes: int | None) -> np.ndarray:
    """How often each class occurs."""
    if y.ndim > 1 and y.shape[-1] > 1 and _are_distributions(y):
        return _of_outputs(y).sum(axis=0)
    numbers = y.ravel().astype("int64")
    if (numbers != y.ravel()).any() or numbers.min() < 0:
        raise _error(
            "the numbers of the classes, from 0, or one-hot vectors",
            f"y of shape {y.shape} from {y.min():g} to {y.max():g}",
            "Pass activation='linear' for regression.",
        )
    if classes is None:
        classes = int(numbers.max()) + 1
    elif numbers.max() >= _validate.positive_integer(_OWNER, "classes", classes):
        raise _error(
            "`classes` to be larger than each number of a class",
            f"classes={classes}, y with {numbers.max()}",
            "The classes are numbered from 0.",
        )
    return np.bincount(numbers, minlength=classes).astype("float64")


def _are_distributions(y: np.ndarray) -> bool:
    """Whether each row along the last axis sums to 1 and has nothing negative."""
    return bool((y >= 0).all() and np.allclose(y.sum(axis=-1), 1, atol=1e-3))


def _smoothing(smoothing: float | None, least: float) -> float:
    """How many samples are added: none if each class occurs."""
    if smoothing is None:
        return 0.0 if least > 0 else 1.0
    return _validate.not_negative(_OWNER, "smoothing", smoothing)


def _error(needs: str, received: str, advice: str) -> ValueError:
    return _validate.error(_OWNER, needs, received, advice)
