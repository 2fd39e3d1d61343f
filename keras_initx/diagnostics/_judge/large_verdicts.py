"""Verdicts on outputs that are too large for their targets."""

import math

import numpy as np

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.loss_code import of_output
from keras_initx.diagnostics._judge.pasted import code_of
from keras_initx.diagnostics._judge.scale_verdicts import exploding_signal
from keras_initx.diagnostics._judge.task_rows import PROBABILITIES, maker, output_row
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.loss_facts import (
    expected_loss,
    logits_of,
    loss_at_start,
    visible,
)
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.tasks import HINGES, REGRESSION, Task

# The deviation of the logits. `he_normal` makes it 2 of normalized inputs. On digits
# with Adam a deviation up to 3 costs nothing, 6 twice the epochs and 14 four times; a
# small language model with a tied embedding needs three times as many at 6.
LARGE = 5.0
# Cosines times 30 or 64, as in face recognition, are large by design.
_SCALED = 6.0
# Beside it, a loss above this many times that of a model that knows nothing: what
# another one has learned has large logits too, but a small loss.
HIGH_LOSS = 2.0
# Without targets, the kernel has this many times the variance that it needs.
_LARGE_VARIANCE = LARGE**2
# Outputs of a regression beside the targets. With 6 times, the loss on digits is still
# above the variance of the targets after 6 epochs of Adam; with 20, SGD diverges.
LARGE_OUTPUTS = 10.0
# A kernel below four times the variance 1 / fan_in is not the reason.
_USUAL_VARIANCE = 4.0


def large_logits(findings: Findings) -> Verdict | None:
    """Logits so large that a class is sure before anything is learned."""
    if exploding_signal(findings) is not None:
        return None
    for task in findings.seen.tasks:
        found = _large_logits_of(findings, task)
        if found is None:
            continue
        deviation, loss = found
        expected = expected_loss([task])
        beside = "" if expected is None else f" where {expected.name} is "
        beside += "" if expected is None else f"{expected.value:.3g}"
        row = _cause(findings, task, LARGE)
        where = "the outputs" if row is None else findings.name(row)
        text = (
            f"{where}{of_output(task)}: the logits have a standard deviation of "
            f"{deviation:.2g}, so that the model is sure of a class before it has "
            f"learned one: the loss is {loss:.3g}{beside}. "
            f"{_smaller(findings, row, deviation)}"
        )
        return Verdict("large_logits", None if row is None else row.path, text)
    return None if findings.seen.tasks else _large_logits_without_targets(findings)


def large_outputs(findings: Findings) -> Verdict | None:
    """Outputs of a regression that are far larger than the targets."""
    if exploding_signal(findings) is not None:
        return None
    for task in findings.seen.tasks:
        if task.kind != REGRESSION:
            continue
        targets, outputs = (part.astype("float64") for part in visible(task))
        scale = float(np.sqrt(np.mean(targets**2))) if targets.size else math.nan
        size = float(np.sqrt(np.mean(outputs**2))) if outputs.size else math.nan
        if not size > LARGE_OUTPUTS * max(scale, _size_of_inputs(findings)):
            continue
        row = _cause(findings, task, LARGE_OUTPUTS)
        where = "the outputs" if row is None else findings.name(row)
        text = (
            f"{where}{of_output(task)}: the outputs have a size (root mean square) of "
            f"{size:.2g}, and the targets one of {scale:.2g}. Training has to make the "
            f"kernels smaller first. {_smaller(findings, row, size / max(scale, 0.1))}"
        )
        return Verdict("large_outputs", None if row is None else row.path, text)
    return None


def _large_logits_of(findings: Findings, task: Task) -> tuple[float, float] | None:
    """The deviation of the logits and the loss, if both are large."""
    row = output_row(findings, task)
    if task.loss in HINGES or (row is not None and row.is_constant):
        return None
    logits = logits_of(task)
    loss, expected = loss_at_start(task), expected_loss([task])
    if logits is None or loss is None or not math.isfinite(loss):
        return None
    usual = math.log(task.classes) if expected is None else expected.value
    deviation = float(np.sqrt(np.mean(logits**2)))
    if row is not None and row.activation in PROBABILITIES:
        # Probabilities near 0 or 1 tell less of it.
        deviation = max(deviation, row.scale)
    limit = LARGE * _size_of_inputs(findings)
    source = _scaled_row(findings, task)
    if source is not None and not source.kernels:
        limit *= _SCALED
    is_large = deviation > limit and loss > HIGH_LOSS * usual
    return (deviation, loss) if is_large else None


def _large_logits_without_targets(findings: Findings) -> Verdict | None:
    """A last kernel whose softmax or sigmoid is sure of a class."""
    for row in findings.rows:
        if not row.is_output or row.activation not in PROBABILITIES:
            continue
        source = row if row.kernels else maker(findings, row, ("",))
        kernel = None if source is None else source.kernel
        if source is None or kernel is None or not LARGE < row.scale < math.inf:
            continue
        if kernel.scaled_variance > _LARGE_VARIANCE:
            text = (
                f"{findings.name(source)} makes logits with a standard deviation of "
                f"{row.scale:.2g}, so that the model is sure of a class before it has "
                f"learned one. Its kernel has {kernel.scaled_variance:.2g} times the "
                f"variance 1 / fan_in. {_smaller(findings, source, row.scale)}"
            )
            return Verdict("large_logits", source.path, text)
    return None


def _scaled_row(findings: Findings, task: Task) -> LayerRow | None:
    """The layer whose kernel sets the scale of an output, if it is known.

    An output that no layer made may be a product with the table of an embedding.
    """
    row = output_row(findings, task)
    if row is not None and not row.kernels:
        source = maker(findings, row, ("",))
        row = source if source is not None and source.kernels else row
    if row is not None and row.kernels:
        return row
    tied = [
        other
        for other in findings.rows
        if other.type == "Embedding"
        and other.kernel is not None
        and other.kernel.shape[0] == task.outputs.shape[-1]
    ]
    return tied[0] if tied else row


def _size_of_inputs(findings: Findings) -> float:
    """The root mean square of what the first kernel gets, and at least 1.

    Large inputs make large outputs, and are another fault, or none: the pixels of the
    digits of scikit-learn go up to 16, and train.
    """
    if not findings.linear:
        return 1.0
    first = findings.linear[0]
    before = [row for row in findings.rows[: findings.place(first.path)] if row.units]
    rows = before[-1:] or findings.inputs
    sizes = [math.hypot(row.mean or 0.0, row.std or 0.0) for row in rows]
    if not rows and first.kernel is not None and first.kernel.scaled_variance > 0:
        # Integers, by what the kernel makes of them.
        made = math.hypot(first.pre_activation_mean or 0.0, first.scale)
        sizes = [made / math.sqrt(first.kernel.scaled_variance)]
    return max([1.0, *(size for size in sizes if math.isfinite(size))])


def _cause(findings: Findings, task: Task, limit: float) -> LayerRow | None:
    """The layer whose kernel is too large; else the first one with a large signal."""
    row = _scaled_row(findings, task)
    if row is None or row.fan_in is None or _is_large(row):
        return row
    limit = limit / 2 * _size_of_inputs(findings)
    before = findings.linear_until(row)
    return next((each for each in before if each.scale > limit), row)


def _is_large(row: LayerRow) -> bool:
    """Whether a kernel has more than the usual variance; an embedding has none."""
    kernel = row.kernel
    return kernel is not None and kernel.scaled_variance > _USUAL_VARIANCE


def _smaller(findings: Findings, row: LayerRow | None, factor: float) -> str:
    """A line that makes the kernel of a layer smaller by a factor."""
    is_own = row is None or bool(row.kernels)
    if row is not None and not row.kernels:
        # It multiplies what the last kernel makes.
        row = next(iter(findings.linear_until(row)[::-1]), None)
    is_lookup = row is not None and row.type == "Embedding"
    if row is None or (is_own and not is_lookup and not _is_large(row)):
        return "Use `keras_initx.lsuv(model, x)`."
    variable = f"{code_of(row)}.{'embeddings' if is_lookup else 'kernel'}"
    return f"Use `{variable}.assign({1 / factor:.1g} * {variable})`."
