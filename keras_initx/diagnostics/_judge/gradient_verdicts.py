"""Verdicts on the gradient."""

import itertools
import math
from collections.abc import Callable

from keras_initx.diagnostics._judge.cause_texts import verdict_on
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.own_gain import Cause, cause_of
from keras_initx.diagnostics._judge.remedies import remedy_of_growth, scale_remedy
from keras_initx.diagnostics._judge.small_ends import is_small_end
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.merges import leads
from keras_initx.diagnostics._measure.rows import LayerRow

# As for the signal: a factor of a thousand.
VANISHING = 1e-3
# Residual networks with a hundred normalized layers have a few thousand, and train.
EXPLODING = 1e4
# The gradient in a branch that ends in such a factor is as small.
SMALL_FACTOR = 0.1
# The sublayers of attention whose outputs only say how much of each position to take.
_COMPARED = ("query", "key")


def non_finite_gradient(findings: Findings) -> Verdict | None:
    """A loss or a gradient of NaN or infinity."""
    kind = "non_finite_gradient"
    if findings.loss is None:
        return None
    if not math.isfinite(findings.loss):
        text = (
            f"the loss is {findings.loss}. Check the targets, and what the loss does "
            "with outputs of 0: with `from_logits=True` it takes pre-activations."
        )
        return Verdict(kind, None, text)
    for row in reversed(findings.rows):
        if not math.isfinite(row.output_gradient or 0):
            text = (
                f"{findings.name(row)} is the first layer, on the way back from the "
                "loss, whose output has a gradient of NaN or infinity. Check the "
                "operations after it for an infinite slope, such as that of "
                "`keras.ops.sqrt` or `keras.ops.log` at 0: add a small constant to "
                "what they get, such as 1e-6."
            )
            return Verdict(kind, row.path, text)
    return None


def no_gradient(findings: Findings) -> Verdict | None:
    """Kernels that the gradient does not reach at all."""
    if findings.loss == 0:
        # Nothing is wrong that could be made less so.
        return None
    unreached = _unreached(findings)
    trainable = [row for row in unreached if row.gradient is not None]
    if not trainable:
        return None
    row, others = trainable[-1], len(trainable) > 1
    text = (
        f"the gradient does not reach {findings.name(row)}"
        f"{' and the layers before it' if others else ''}: it is exactly zero, so "
        f"{'they' if others else 'it'} cannot learn. {_where_it_ends(findings, row)} "
        "for an operation without a slope, such as `keras.ops.round`, "
        "`keras.ops.argmax` or `keras.ops.stop_gradient`, and use one with a slope, "
        "such as a softmax instead of `argmax`. Where nothing shall learn, set "
        "`trainable=False`."
    )
    return Verdict("no_gradient", row.path, text)


def vanishing_gradient(findings: Findings) -> Verdict | None:
    """Gradients that become small on the way back to the first layer."""
    rows = _rows_with_gradient(findings)
    largest = max((_gradient(findings, row) for row in rows), default=0.0)
    small = _head(rows, lambda row: _gradient(findings, row) < VANISHING * largest)
    # The layer where it begins is the last one; the one that suffers most, the first.
    trainable = [row for row in small if row.gradient is not None]
    if not trainable:
        return None
    row, first = trainable[-1], trainable[0]
    text = (
        f"from {findings.name(row)} back, the gradient of the outputs is below "
        f"{VANISHING:g} times its largest ({largest:.2g}); in the first layer, "
        f"'{first.path}', it is {_gradient(findings, first):.2g}."
    )
    if (cause := _one_cause(findings, row, -1)) is not None:
        return verdict_on("vanishing_gradient", findings, cause, text, [cause.row], -1)
    remedy = scale_remedy(findings, row, findings.linear_from(row), -1)
    return Verdict("vanishing_gradient", row.path, f"{text} {remedy}")


def exploding_gradient(findings: Findings) -> Verdict | None:
    """Gradients that become large on the way back to the first layer."""
    rows = _rows_with_gradient(findings)
    found = [gradient for row in rows if (gradient := _gradient(findings, row))]
    if not found:
        return None
    last = found[-1]
    large = [row for row in rows if _gradient(findings, row) > EXPLODING * last]
    if not large:
        return None
    row, largest = large[-1], max(_gradient(findings, row) for row in large)
    text = (
        f"from {findings.name(row)} back, the gradient of the outputs is more than "
        f"{EXPLODING:,.0f} times that of the last layer ({last:.2g}), up to "
        f"{largest:.2g}."
    )
    if (cause := _one_cause(findings, row, 1)) is not None:
        return verdict_on("exploding_gradient", findings, cause, text, [cause.row], 1)
    remedy = remedy_of_growth(findings, row, findings.linear_from(row))
    return Verdict("exploding_gradient", row.path, f"{text} {remedy}")


def _one_cause(findings: Findings, row: LayerRow, direction: int) -> Cause | None:
    """The one layer after this one that multiplies the gradient by a wrong factor."""
    rows = findings.linear_from(row)
    cause = cause_of(findings, [each for each in rows if each is not row], direction)
    is_one = cause is not None and cause.is_kernel and not cause.others
    return cause if is_one else None


def _rows_with_gradient(findings: Findings) -> list[LayerRow]:
    """The rows whose gradients can be compared.

    A softmax is left out: with the cross-entropy its output has gradients of one over a
    probability. So are layers whose gradient is zero or small because a later factor
    is: the first steps of training change that. So are shared layers that learn by a
    later call, and queries and keys of few positions.
    """
    known = [
        row
        for row in findings.rows
        if row.output_gradient or (row.output_gradient == 0 and row.calls == 1)
    ]
    held = _held_back(findings)
    largest = max((_gradient(findings, row) for row in known), default=0.0)
    return [
        row
        for row in known
        if row.activation != "softmax"
        and not (
            (id(row) in held or _is_compared(row))
            and _gradient(findings, row) < VANISHING * largest
        )
    ]


def _held_back(findings: Findings) -> set[int]:
    """The rows before a kernel of zeros, or before a factor that starts small."""
    found, is_before = set(), False
    for row in reversed(findings.rows):
        if is_before or row.held_back <= SMALL_FACTOR:
            found.add(id(row))
        if row.kernel is not None and _is_near_zero(findings, row):
            is_before = True
    return found


def _is_near_zero(findings: Findings, row: LayerRow) -> bool:
    """Whether a kernel is zero, or an end so small that it hides what comes before."""
    if row.kernel is None or row.kernel.norm == 0:
        return True
    is_small = row.kernel.scaled_variance < VANISHING**2
    return is_small and is_small_end(findings, row)


def _unreached(findings: Findings) -> list[LayerRow]:
    """The first rows in succession that get no gradient, and for no other reason."""
    held, found = _held_back(findings), list[LayerRow]()
    rows = [row for row in findings.rows if row.output_gradient is not None]
    largest = max(
        (_gradient(findings, row) for row in rows if row.activation != "softmax"),
        default=0.0,
    )
    for row in rows:
        if row.output_gradient == 0:
            if not (id(row) in held or _is_ignored(findings, row)):
                found.append(row)
        elif any(each.gradient is not None for each in found):
            if _gradient(findings, row) >= VANISHING * largest:
                return found
            # It became so small that it is zero in float32.
            found = []
        else:
            found = []
    return found


def _is_ignored(findings: Findings, row: LayerRow) -> bool:
    """Whether a layer has another reason than an operation without a slope.

    It is shared, and learns by another call; or it leads to outputs without a loss,
    while others have one; or it compares the positions of one.
    """
    if row.calls > 1 and row.gradient:
        return True
    if _is_compared(row):
        return True
    ignored = _ignored_outputs(findings)
    return row.path in ignored or any(
        leads(findings.seen.readers, row.path, path) for path in ignored
    )


def _is_compared(row: LayerRow) -> bool:
    """Whether this makes queries or keys: with one position they change nothing."""
    return row.path.rpartition("/")[2] in _COMPARED


def _ignored_outputs(findings: Findings) -> set[str]:
    """The outputs of the model or of its parts that no loss is about."""
    outputs = [row for row in findings.rows if row.is_output]
    is_learned = any(row.output_gradient for row in outputs)
    return {
        row.path
        for row in findings.rows
        if row.output_gradient == 0
        and (row.is_one_of_several or (row.is_output and is_learned))
    }


def _where_it_ends(findings: Findings, row: LayerRow) -> str:
    """Which layers get the output that gets no gradient."""
    readers = findings.seen.readers.get(row.path, ())
    later = [each for each in findings.rows if each.path in readers]
    reached = next((each for each in later if each.output_gradient), None)
    if reached is None:
        return "Look after this layer"
    return f"It ends at or before {findings.name(reached)}. Look there"


def _head(rows: list[LayerRow], is_wrong: Callable[[LayerRow], bool]) -> list[LayerRow]:
    """The first rows, as long as they are wrong."""
    return list(itertools.takewhile(is_wrong, rows))


def _gradient(findings: Findings, row: LayerRow) -> float:
    """That of the output; after the normalization where one follows.

    Before it, the gradient is as large as the scale is small, and training steps on
    kernels there do not depend on it in the same way.
    """
    return (findings.normalization(row) or row).output_gradient or 0.0
