"""A stream of sums that is normalized after each of them, as in the first transformers.

A step changes the output of each branch by some share r of it. The stream carries the
changes on, and each sum adds those of its branch, whose share of the variance of the
sum is b. With small changes that point the same way they add up to r times the sum of
all b. Where the stream is normalized after each sum, b stays the same at each depth and
the sum grows with the number of blocks. Where only the inputs of the branches are
normalized, the stream grows, b falls as one over the depth, and the sum grows as a
logarithm (Liu et al. 2020, "Understanding the difficulty of training transformers",
section 4.1; the threshold is measured here).
"""

import dataclasses

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.merges import Merge
from keras_initx.diagnostics._measure.rows import LayerRow

_SUMS = ("+", "Add")


@dataclasses.dataclass(frozen=True)
class NormalizedStream:
    """The sums that a normalization follows.

    Attributes:
        first: LayerRow. Where the first of them is, or is read.
        count: int. How many there are.
        total: float. The sum of the shares of the branches.
    """

    first: LayerRow
    count: int
    total: float

    @property
    def share(self) -> float:
        """The mean share of a branch in the variance of its sum."""
        return self.total / self.count


def stream_of(findings: Findings) -> NormalizedStream | None:
    """The sums that only a normalization reads; None if there are no two of them."""
    norms = {row.path for row in findings.seen.rows if row.is_normalization}
    sums = [
        merge
        for merge in findings.seen.merges
        if _is_normalized(findings, merge, norms)
    ]
    rows = {row.path: row for row in findings.rows}
    first = next((rows[merge.path] for merge in sums if merge.path in rows), None)
    if first is None or len(sums) < 2:
        return None
    return NormalizedStream(first, len(sums), sum(_share(merge) for merge in sums))


def _is_normalized(findings: Findings, merge: Merge, norms: set[str]) -> bool:
    """Whether a sum of two is read by a normalization and by nothing else."""
    if merge.type not in _SUMS or len(merge.parts) != 2:
        return False
    name = merge.path if merge.type == "Add" else f"the sum before {merge.path}"
    readers = findings.seen.readers.get(name, ())
    return bool(readers) and norms.issuperset(readers)


def _share(merge: Merge) -> float:
    """The share of the smaller part in the variance of the sum."""
    squares = sorted(part.std**2 for part in merge.parts)
    return squares[0] / sum(squares) if sum(squares) > 0 else 0.0
