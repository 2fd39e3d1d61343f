"""Where data that is wrong comes from: an input, or a layer that scales it."""

import math
from collections.abc import Callable

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.features import Features
from keras_initx.diagnostics._measure.leaves import Leaf
from keras_initx.diagnostics._measure.rows import LayerRow

_SCALING = ("Rescaling", "Normalization")


def reached(findings: Findings) -> list[LayerRow]:
    """The layers whose kernels get the data."""
    return [row for row in findings.rows if row.features is not None]


def first_that(
    findings: Findings, is_wrong: Callable[[Features], bool]
) -> LayerRow | None:
    """The first layer that gets data of a kind."""
    rows = reached(findings)
    return next((row for row in rows if row.features and is_wrong(row.features)), None)


def place_of(findings: Findings, row: LayerRow) -> str:
    """Where it goes wrong: an input as it was passed, or else a layer."""
    leaf = leaf_of(findings, row.features)
    if leaf is None:
        return scaling_before(findings, row).path
    return path_of(leaf) or row.path


def leaf_of(findings: Findings, features: Features | None) -> Leaf | None:
    """The array whose numbers, as it was passed, are the largest of these features."""
    if features is None:
        return None
    leaves = findings.seen.leaves
    own = [leaves[place] for place in features.leaves if place < len(leaves)]
    if features.is_raw:
        return own[0] if own else None
    # Those that were joined, if they were only that.
    for leaf in own:
        found = leaf.features
        if found and math.isclose(
            found.largest_rms, features.largest_rms, rel_tol=0.01
        ):
            return leaf
    return None


def scaling_before(findings: Findings, row: LayerRow) -> LayerRow:
    """The last layer before that scales the data; else the layer itself."""
    before = findings.rows[: findings.place(row.path)]
    own = [each for each in before if each.type in _SCALING]
    return own[-1] if own else row


def path_of(leaf: Leaf) -> str | None:
    return None if leaf.row is None else leaf.row.path
