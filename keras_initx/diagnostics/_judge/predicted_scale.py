"""What the kernels of a chain of layers will make of a signal that was not seen."""

from keras_initx.diagnostics._judge.cause_texts import verdict_on
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.own_gain import cause_of
from keras_initx.diagnostics._judge.verdict import Verdict

# One kernel a hundred times too small is one by mistake, unless it is the last one. So
# is one thirty times too large. Of several, a factor of a thousand as with a signal.
SMALL_KERNEL, LARGE_KERNEL, SEVERAL = 100.0, 30.0, 1e3


def predicted_scale(kind: str, findings: Findings, direction: int) -> Verdict | None:
    """A verdict on kernels that no normalization follows.

    It is told of a chain only: where tensors are added, the kernels alone do not tell.
    """
    rows = findings.rows
    last = max((n for n, row in enumerate(rows) if row.is_normalization), default=-1)
    rows = [row for row in rows[last + 1 :] if row.fan_in is not None]
    if direction < 0:
        rows = rows[:-1]
    if not findings.seen.is_chain or not rows:
        return None
    cause = cause_of(findings, rows, direction, is_measured=False)
    limit = LARGE_KERNEL if direction > 0 else SMALL_KERNEL
    if cause is None or (cause.factor < limit and cause.product < SEVERAL):
        return None
    what = "No normalization follows. This is predicted from the weights alone."
    return verdict_on(kind, findings, cause, what, rows, direction)
