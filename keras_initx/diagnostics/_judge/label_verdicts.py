"""The verdict on targets that a loss has no meaning for."""

import numpy as np

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.target_pairs import (
    Pair,
    pairs_of,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.known_losses import (
    BINARY,
    CATEGORICAL,
    HINGES,
    SPARSE,
)
from keras_initx.diagnostics._measure.targets import (
    PROBABLE,
    TargetRow,
    is_in_range,
    looked_at,
)
from keras_initx.diagnostics._measure.task import Task


def labels_out_of_range(findings: Findings) -> Verdict | None:
    """Targets that the loss has no meaning for."""
    for pair in pairs_of(findings):
        found = _out_of_range(pair)
        if found is not None:
            wrong, advice = found
            text = f"the targets{pair.of} {wrong}. {advice}"
            return Verdict("labels_out_of_range", pair.task.layer, text)
    return None


def _out_of_range(pair: Pair) -> tuple[str, str] | None:
    """What is wrong with the targets, and what to do; None if nothing is."""
    (task, row), y = pair, pair.task.code
    if not row.is_finite:
        return (
            "have NaN or infinity",
            f"Leave these samples out: `keep = np.isfinite(np.reshape({y}, (len({y}), "
            "-1))).all(axis=1); x, y = x[keep], y[keep]`.",
        )
    if task.kind == SPARSE:
        return _wrong_numbers(task)
    if task.kind == BINARY and task.loss not in HINGES:
        return None if is_in_range(task) else _wrong_binary(row, y)
    if task.kind == CATEGORICAL and task.loss not in HINGES:
        return _wrong_rows(task)
    return None


def _wrong_numbers(task: Task) -> tuple[str, str] | None:
    """Class numbers that no output stands for."""
    wrong, classes = task.labels_out_of_range, task.classes
    labels, y = np.asarray(task.targets), task.code
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
        f"have the class {'numbers' if wrong.size > 1 else 'number'} {some}{more}; the "
        f"{classes} outputs stand for the classes 0 to {classes - 1}"
    )
    least, most = labels.min(), labels.max()
    if most - least < classes and classes > 1:
        return (
            words,
            f"Count from 0: `{y} = {y} {'-+'[int(least < 0)]} {abs(least):.6g}`.",
        )
    if classes == 1:
        code = f'{y}, loss = np.reshape({y}, (-1, 1)), "binary_crossentropy"'
        return (
            words,
            f"For two classes and one output use `{code}`, with 'sigmoid' as the last "
            "activation.",
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
    rows, y = looked_at(task)[0].astype("float64"), task.code
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
