"""Kernels that are small by design: at the end of a network, or of a branch."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.merges import Merge, Part
from keras_initx.diagnostics._measure.rows import LayerRow

# Kernels of a twentieth of the usual variance, as in a policy head.
SMALL_KERNEL = 0.05
# What a sum hardly changes by.
_BESIDE = 0.1
_SUMS = ("+", "Add", "Average", "Subtract")


def is_small_end(findings: Findings, row: LayerRow) -> bool:
    """Whether a small kernel ends the network, or a branch that is added to a signal.

    It learns as one of zeros does: the gradient of a kernel does not depend on its own
    scale, and only what comes before has to wait for a step or two.
    """
    kernel = row.kernel
    if not (kernel and kernel.fan_in) or kernel.scaled_variance >= SMALL_KERNEL:
        return False
    if row.is_output or row is findings.linear[-1]:
        return True
    return any(_is_added(findings, row, merge) for merge in findings.seen.merges)


def _is_added(findings: Findings, row: LayerRow, merge: Merge) -> bool:
    """Whether this layer makes the small part of a sum."""
    largest = max(part.std for part in merge.parts)
    return merge.type in _SUMS and any(
        part.std < _BESIDE * largest and _maker(findings, part) is row
        for part in merge.parts
    )


def _maker(findings: Findings, part: Part) -> LayerRow | None:
    """The last layer with a kernel until this part is there."""
    place = findings.place(part.path)
    made = [row for row in findings.linear if findings.place(row.path) <= place]
    return made[-1] if made else None
