"""Verdicts on what is added or joined."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.remedies import LSUV
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.merges import INPUT, Merge, Part, leads
from keras_initx.diagnostics._measure.rows import LayerRow

# A factor of a thousand in the standard deviation, as for the scale by depth: a
# millionth of the sum of squares, so that a layer after it sees the other part alone.
# DenseNet, Inception and NASNet merge within a factor of 30.
DROWNED = 1e-3
# What learns its own scale in a step or two.
_PER_CHANNEL = "BatchNormalization"


def drowned_branch(findings: Findings) -> Verdict | None:
    """A part of a sum, or of a concatenation, beside which another one is lost.

    A residual branch that is small starts its block as the identity, by design. A
    shortcut beside which the branch is large is lost.
    """
    found = next(
        (
            (merge, *pair)
            for merge in findings.seen.merges
            if (pair := _drowned(findings, merge)) is not None
        ),
        None,
    )
    if found is None:
        return None
    merge, small, large = found
    where = f"in '{merge.path}' ({merge.type})"
    if merge.type == "+":
        where = f"in the sum in or before '{merge.path}'"
    odd, other = (large, small) if large.std > 1 / small.std else (small, large)
    text = (
        f"{where}, {_name(small)} has a standard deviation of {small.std:.2g} beside "
        f"{large.std:.2g} of {_name(large)}, so the layers after it do not see it. "
        f"{_advice(findings, odd, other)}"
    )
    path = odd.path if findings.place(odd.path) >= 0 else merge.path
    return Verdict("drowned_branch", path, text)


def silent_branches(findings: Findings) -> Verdict | None:
    """Factors of zero that get zeros: neither can change."""
    rows = [row for row in findings.rows if row.is_stuck]
    if not rows:
        return None
    row, more = rows[0], f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    text = (
        f"{findings.name(row)}{more} multiplies by zero what is zero already. The "
        "gradient of each factor is zero because of the other one, so both stay zero "
        'for good. Draw one of them: `kernel_initializer="he_normal"` before it, or '
        '`gamma_initializer="ones"` in it.'
    )
    return Verdict("silent_branches", row.path, text)


def _drowned(findings: Findings, merge: Merge) -> tuple[Part, Part] | None:
    """The part that is lost, and the one beside which it is."""
    large = max(merge.parts, key=lambda part: part.std)
    if _is_taken_by_design(findings, merge):
        return None
    for small in merge.parts:
        is_small = 0 < small.std < DROWNED * large.std
        if is_small and not _is_by_design(findings, small, large):
            return small, large
    return None


def _is_by_design(findings: Findings, small: Part, large: Part) -> bool:
    """Whether the small part is a residual branch, or made small by a factor.

    An input of another scale than what it joins is told as an input.
    """
    if not (small.path and large.path) or large.path == INPUT:
        return True
    if leads(findings.seen.readers, large.path, small.path):
        return True
    if _may_lead(findings, large.path, small.path):
        return True
    row = next((row for row in findings.rows if row.path == small.path), None)
    return row is not None and row.factor < 1


def _may_lead(findings: Findings, start: str, end: str) -> bool:
    """Whether a way between two layers may be hidden by a function in a `call`."""
    after, until = findings.place(start), findings.place(end)
    return any(
        after < findings.place(path) <= until
        and (path == end or leads(findings.seen.readers, path, end))
        for path in findings.seen.lost
    )


def _advice(findings: Findings, odd: Part, other: Part) -> str:
    """How to bring the part that is farther from the scale 1 to that of the other."""
    row = next((row for row in findings.rows if row.path == odd.path), None)
    if row is not None and row.kernels and _has_scale(row, odd):
        return f"Use {LSUV}."
    return (
        f"Put `keras.layers.Rescaling({other.std / odd.std:.1g})` after {_name(odd)}, "
        "before they are merged."
    )


def _has_scale(row: LayerRow, part: Part) -> bool:
    """Whether a part is what the layer puts out, and not a multiple of it."""
    return row.std is not None and 0.5 < row.std / part.std < 2


def _is_taken_by_design(findings: Findings, merge: Merge) -> bool:
    """Whether what follows makes the scales no matter.

    A softmax takes a mask of very large negative numbers. After a concatenation a
    normalization by channels brings each to its own scale.
    """
    rows = {row.path: row for row in findings.rows}
    readers = [rows.get(path) for path in findings.seen.readers.get(merge.path, ())]
    if merge.type == "+":
        # It has the path of the layer that gets it.
        readers = [rows.get(merge.path)]
    return bool(readers) and all(
        row is not None
        and (
            (row.activation == "softmax" and not row.kernels)
            or (merge.type == "Concatenate" and row.type == _PER_CHANNEL)
        )
        for row in readers
    )


def _name(part: Part) -> str:
    return "an input" if part.path == INPUT else f"'{part.path}'"
