"""Verdicts on the first update: one step at the optimizer's rate, and its decay."""

import math
import statistics

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.normalized_stream import stream_of
from keras_initx.diagnostics._judge.small_ends import SMALL_KERNEL
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.first_update import FirstUpdate
from keras_initx.diagnostics._measure.known_losses import REGRESSION
from keras_initx.diagnostics._measure.rows import KernelRow

# A step as large as the kernel itself: nothing of the draw is left. Trained here on
# digits, with Adam: it begins at a rate of 0.1, and 0.3 fails nearly everywhere.
WHOLE = 1.0
# With a cross-entropy no network learned well after a step that doubled the loss. A
# squared error grows a hundredfold in a wide network, and Adam still learns.
DOUBLED = 2.0
# SGD goes along one gradient: where it raises the loss, the next step is larger yet.
RAISED = 1.25
# The changes of all branches together, as a share of a normalized stream. Trained here:
# transformers of 2 to 8 post-normalized blocks (up to 0.035) learn, of 12 (0.05) one of
# two, of 24 (0.11) none; sums of dense layers do not from 40 on (0.05).
STREAM = 0.045
# Without an optimizer: the sum of the shares, for which the usual rate is too large.
STREAM_WITHOUT_RATE = 12.0
# A kernel takes a million such steps to change by its own size.
TINY = 1e-6
TINY_RATE = 1e-5
# The decay takes off half of what the gradient adds, and half of a kernel in 700 steps.
# With AdamW a decay of 3 (0.4 here) learns digits, 10 (1.3) half of them, 30 nothing.
STRONG_DECAY, FAST_DECAY = 0.5, 1e-3


def large_update(findings: Findings) -> Verdict | None:
    """A first step that destroys what it starts from."""
    update = findings.seen.first_update
    if update is not None and (found := _too_far(findings, update)):
        text = f"{found}. Lower the rate: {_rate_line(findings, update, 0.01)}."
        return Verdict("large_update", None, text)
    stream = stream_of(findings)
    if stream is None or findings.loss is None:
        return None
    where = (
        f"the stream is normalized after each of {stream.count} sums, from "
        f"{findings.name(stream.first)} on, where the branches make "
        f"{100 * stream.share:.2g} % of the variance. What a step changes in each "
        "branch adds up"
    )
    if update is None:
        if stream.total < STREAM_WITHOUT_RATE:
            return None
        rest = (
            ", and with Adam at a rate of 0.001 such a network does not start to "
            "learn. Use a lower rate: `keras.optimizers.Adam(1e-4)`, with a warm-up"
        )
    else:
        found_change = stream.total * _typical(findings)
        if not found_change > STREAM:
            return None
        rest = (
            f" to {100 * found_change:.2g} %, with {update.optimizer} at a rate of "
            f"{update.rate:.2g}; above {100 * STREAM:.2g} % such networks do not start "
            "to learn. Lower the rate, or let it warm up: "
            f"{_rate_line(findings, update, _typical(findings) / found_change * 0.02)}"
        )
    text = f"{where}{rest}. Or normalize the input of each branch instead of the sum."
    return Verdict("large_update", stream.first.path, text)


def small_update(findings: Findings) -> Verdict | None:
    """A first step that changes nothing."""
    update = findings.seen.first_update
    ratios = [ratio for _, ratio in _ratios(findings)]
    if update is None or update.is_scheduled or not ratios:
        return None
    has_gradient = any(kernel.gradient for kernel, _ in _ratios(findings))
    largest = max(ratios)
    if not (has_gradient and largest < TINY and update.rate < TINY_RATE):
        return None
    name = update.optimizer
    text = (
        f"one step of {name} at a rate of {update.rate:.2g} changes no kernel by more "
        f"than {largest:.1g} of its norm, so that millions of steps would be needed. "
        f"Raise the rate: `model.optimizer.learning_rate = {_usual_rate(name)}`."
    )
    return Verdict("small_update", None, text)


def strong_weight_decay(findings: Findings) -> Verdict | None:
    """A decay that takes more off the kernels than their gradients add."""
    update = findings.seen.first_update
    if update is None or update.decay is None:
        return None
    each = update.rate * update.weight_decay
    if not (update.decay * (1 - update.momentum) > STRONG_DECAY and each > FAST_DECAY):
        return None
    usual = "0.0005" if update.optimizer == "SGD" else "0.004"
    text = (
        f"{update.optimizer} takes {update.decay:.2g} times as much off the kernels by "
        f"its weight decay of {update.weight_decay:.2g} as it adds by their gradients. "
        f"The kernels halve in {math.log(2) / each:.0f} steps, and so does what they "
        f"have learned. Use a smaller one: `model.optimizer.weight_decay = {usual}`."
    )
    return Verdict("strong_weight_decay", None, text)


def _too_far(findings: Findings, update: FirstUpdate) -> str | None:
    """What a step does that is too large for any network; None if it is not."""
    if not (update.rate > 0 and math.isfinite(update.loss_before)):
        return None
    step = f"one step of {update.optimizer} at a rate of {update.rate:.2g}"
    loss = f"the loss of this batch from {update.loss_before:.3g} to "
    loss += f"{update.loss_after:.3g}"
    count = sum(kernel.fan_in is not None for kernel, _ in _ratios(findings))
    whole = [ratio for _, ratio in _free_ratios(findings) if ratio > WHOLE]
    if 2 * len(whole) > count:
        return (
            f"{step} changes {len(whole)} of {count} kernels by more than their "
            f"own norm, up to {max(whole):.2g} times, and takes {loss}"
        )
    growth = update.loss_after / update.loss_before if update.loss_before > 0 else 0.0
    kinds = {task.kind for task in findings.seen.tasks}
    is_classification = bool(kinds) and not kinds & {"", REGRESSION}
    is_larger = is_classification and growth > DOUBLED
    is_larger |= update.optimizer == "SGD" and growth > RAISED
    if is_larger or not math.isfinite(update.loss_after):
        return f"{step} takes {loss}"
    return None


def _ratios(findings: Findings) -> list[tuple[KernelRow, float]]:
    """The kernels that the update changes, and by how much of their norm."""
    return [
        (kernel, kernel.update_ratio)
        for row in findings.rows
        for kernel in row.kernels
        if kernel.update_ratio is not None
    ]


def _free_ratios(findings: Findings) -> list[tuple[KernelRow, float]]:
    """Those whose scale counts: they are not small, and no normalization follows."""
    free = [row for row in findings.rows if not findings.normalization(row)]
    kernels = {id(kernel) for row in free for kernel in row.kernels}
    return [
        (kernel, ratio)
        for kernel, ratio in _ratios(findings)
        if id(kernel) in kernels and kernel.scaled_variance > SMALL_KERNEL
    ]


def _typical(findings: Findings) -> float:
    """The median of the relative changes of the kernels."""
    found = [ratio for kernel, ratio in _ratios(findings) if kernel.fan_in is not None]
    return statistics.median(found) if found else 0.0


def _rate_line(findings: Findings, update: FirstUpdate, ratio: float) -> str:
    """The line that sets the rate at which kernels change by this ratio."""
    ratios = [found for _, found in _free_ratios(findings) or _ratios(findings)]
    largest = max(ratios, default=0.0)
    factor = min(0.1, ratio / largest) if largest > 0 else 0.1
    exponent = math.floor(math.log10(update.rate * factor))
    rate = f"{10.0**exponent:g}"
    if update.is_scheduled:
        name = f"keras.optimizers.{update.optimizer}"
        return f"`model.compile({name}({rate}), loss=model.loss)`"
    return f"`model.optimizer.learning_rate = {rate}`"


def _usual_rate(optimizer: str) -> str:
    return "0.01" if optimizer == "SGD" else "0.001"
