"""Verdicts on what does not train: frozen, unused, or cut off."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.remedies import UNFREEZE
from keras_initx.diagnostics._judge.verdict import Verdict

# The rest is then below what float16 can hold: most of the gradient is lost.
UNDERFLOW = 0.5


def nothing_trains(findings: Findings) -> Verdict | None:
    """A model whose weights are all frozen."""
    seen = findings.seen.trainability
    if seen.trainable or not seen.weights:
        return None
    text = (
        f"none of the {seen.weights:,} weights is trainable, so nothing can learn. "
        f"Write {UNFREEZE} before `model.compile`; then set "
        "`trainable=False` only for layers that have learned already."
    )
    return Verdict("nothing_trains", None, text)


def frozen_layers(findings: Findings) -> Verdict | None:
    """Layers that do not train, and never have."""
    found = findings.seen.trainability.frozen
    if not found:
        return None
    first, others = found[0], len(found) - 1
    who = f"'{first.path}' ({first.type}) is"
    if others:
        who = f"'{first.path}' ({first.type}) and {others} more are"
    text = (
        f"{who} frozen, and the weights are as they were drawn at random: "
        f"{sum(each.weights for each in found):,} numbers. The layers after them get "
        "features that nobody has learned. Load trained weights, or write "
        f"{UNFREEZE} before `model.compile`."
    )
    return Verdict("frozen_layers", first.path, text)


def unused_layers(findings: Findings) -> Verdict | None:
    """Layers that would train, and of which nothing reaches the loss.

    Where no loss is known, a program of one's own may use them in another way.
    """
    if findings.loss is None:
        return None
    seen = findings.seen.trainability
    found = [*seen.unused, *seen.dropped]
    if not found:
        return None
    first, others = found[0], len(found) - 1
    more = f" ({others} more layers neither)" if others else ""
    what = "does not run when the model is called"
    if first in seen.dropped:
        what = "runs, and does not reach an output of the model"
    freeze = f": `{first.place}.trainable = False`" if first.place else ""
    text = (
        f"'{first.path}' ({first.type}) {what}{more}, so it cannot learn. Use it in "
        f"`call`, or remove it, or say that it shall not train{freeze}."
    )
    return Verdict("unused_layers", first.path, text)


def float16_underflow(findings: Findings) -> Verdict | None:
    """Gradients that are zero in float16, for lack of a scaled loss."""
    rows = [
        (row, kernel)
        for row in findings.rows
        for kernel in row.kernels
        if kernel.float16_share is not None and kernel.float16_share < UNDERFLOW
    ]
    if not rows:
        return None
    row, kernel = min(rows, key=lambda pair: pair[1].float16_share or 0.0)
    more = f"; more than half of it in {len(rows)} kernels" if len(rows) > 1 else ""
    text = (
        f"in float16, {100 * (1 - (kernel.float16_share or 0.0)):.3g} % of the "
        f"gradient of the kernel of {findings.name(row)} is below the smallest number, "
        f"6e-8, and becomes zero{more}. Scale the loss: "
        "`model.optimizer = keras.optimizers.LossScaleOptimizer(model.optimizer)`, or "
        "use the policy 'mixed_bfloat16'."
    )
    return Verdict("float16_underflow", row.path, text)
