"""Verdicts on the loss at the start, and on what is added to it."""

import math

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.pasted import code_of, other_end
from keras_initx.diagnostics._judge.task_rows import of_output, output_row
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.loss_facts import is_broadcast
from keras_initx.diagnostics._measure.task import Task

# The data have less than half of what the regularizers have. On digits L2 of 0.01 has
# 0.5 and trains, 0.03 has 0.85 and is unsteady, 0.1 has 0.98 and learns nothing.
DOMINANT = 0.9
_ROUNDING = 1e-3


def broadcast_targets(findings: Findings) -> Verdict | None:
    """Targets of another shape than the outputs, each compared with several."""
    for task in findings.seen.tasks:
        if not is_broadcast(task):
            continue
        targets, outputs = task.targets.shape, task.shape
        what = "each output with the targets of others too"
        if len(targets) == len(outputs) and targets[-1] == 1:
            what = f"all {outputs[-1]} outputs of a sample with the same target"
        text = (
            f"the targets have the shape {targets} and the outputs{of_output(task)} "
            f"{outputs}: the loss compares {what}. {_aligned(findings, task)}"
        )
        return Verdict("broadcast_targets", task.layer, text)
    return None


def dominant_regularization(findings: Findings) -> Verdict | None:
    """Regularizers that move the kernels, and data that hardly do."""
    moved = {
        kernel.path: (row, kernel.regularization, kernel.gradient)
        for row in findings.rows
        for kernel in row.kernels
        if kernel.regularization is not None and kernel.gradient is not None
    }.values()
    own = math.hypot(*(norm for _, norm, _ in moved))
    total = math.hypot(*(norm for _, _, norm in moved))
    if not own > DOMINANT * total > 0:
        return _dominant_activity(findings)
    row, norm, _ = max(moved, key=lambda each: each[1])
    text = (
        f"the gradient of the regularizers has the norm {own:.3g} over all kernels, "
        f"and that of the whole loss {total:.3g}: the kernels go to zero whatever the "
        f"data are. Most of it is at {findings.name(row)} ({norm:.3g}). Use a weaker "
        "`kernel_regularizer`; for the kernels that are there: `for v in "
        "model.trainable_variables: v.regularizer = v.regularizer and "
        "keras.regularizers.L2(1e-4)`."
    )
    return Verdict("dominant_regularization", row.path, text)


def _dominant_activity(findings: Findings) -> Verdict | None:
    """Regularizers of outputs that make up nearly all of the loss."""
    rows = [row for row in findings.rows if row.activity_loss]
    own = sum(row.activity_loss or 0.0 for row in rows)
    # A loss that was passed does not have them.
    if findings.loss is None or not (
        DOMINANT * findings.loss < own < (1 + _ROUNDING) * findings.loss
    ):
        return None
    row = max(rows, key=lambda each: each.activity_loss or 0.0)
    text = (
        f"the regularizers of outputs add {own:.3g} to the loss, which is "
        f"{findings.loss:.3g}: the outputs go to zero whatever the data are. Most of "
        f"it is at {findings.name(row)} ({row.activity_loss:.3g}). Use a weaker one: "
        f"`{code_of(row)}.activity_regularizer = keras.regularizers.L2(1e-5)`."
    )
    return Verdict("dominant_regularization", row.path, text)


def _aligned(findings: Findings, task: Task) -> str:
    """A line that gives the targets the shape of the outputs, where they have it."""
    targets, outputs, code = task.targets.shape, task.shape, task.code
    if outputs == (*targets, 1):
        return f"Use `{code} = {code}[..., None]`."
    if math.prod(targets) == math.prod(outputs):
        shape = ", ".join(map(str, (-1, *outputs[1:])))
        return f"Use `{code} = keras.ops.reshape({code}, ({shape},))`."
    row = output_row(findings, task)
    if targets[-1:] != outputs[-1:] and len(targets) == len(outputs):
        last = "model.layers[-1]" if row is None else code_of(row)
        layer = f"keras.layers.Dense({targets[-1]})({last}.input)"
        return f"Use `{other_end(findings, layer)}`, and compile it."
    if len(outputs) > len(targets) and row is not None and targets[0] == outputs[0]:
        recurrent = [each for each in findings.rows if each.over_time is not None]
        if recurrent:
            # One output for each step, where one for each sequence is asked for.
            return f"Use `{code_of(recurrent[-1])}.return_sequences = False`."
    return "Give both one shape."
