"""How well a layer of the model and one of the source fit.

Where a model is wider in all its layers, the right pairs are those whose sizes have one
ratio, and an equal shape is a coincidence. So several ratios are tried.
"""

import collections
import functools
from collections.abc import Sequence

from keras_initx.schemes._warm_start.alignment import aligned
from keras_initx.schemes._warm_start.stored_layers import (
    StoredLayer,
    class_of,
    is_automatic,
)

# By a name that a user gave; by shapes that have the ratio in all axes, or in some; by
# ranks; by the class.
_NAME, _SHAPES, _SOME_AXES, _RANKS, _CLASS = 1000, 8, 7, 4, 2
_MOST_RATIOS = 4

_Shapes = tuple[tuple[int, ...], ...]


class Member:
    """A member of a list of layers.

    Args:
        key: str. Its place.
        layer: StoredLayer.
    """

    def __init__(self, key: str, layer: StoredLayer) -> None:
        self.key, self.layer = key, layer
        self.shapes: _Shapes = tuple(each.shape for each in layer.all_variables())
        self.kind = class_of(key)
        self.name = "" if is_automatic(key, layer.name) else layer.name


def best_pairs(
    members: Sequence[Member], candidates: Sequence[Member], from_the_end: bool
) -> list[tuple[int, int]]:
    """The places of the pairs that fit best, in the order of both lists."""
    found: list[tuple[int, list[tuple[int, int]]]] = []
    for ratio in (1.0, *_ratios(members, candidates)):
        score = functools.partial(_score, ratio)
        pairs = aligned(members, candidates, score, from_the_end)
        total = sum(score(members[i], candidates[j]) for i, j in pairs)
        found.append((total, pairs))
        if ratio == 1 and total == sum(map(_best_score, members)):
            break
    return max(found, key=lambda each: each[0])[1]


def _best_score(member: Member) -> int:
    return _NAME if member.name else _SHAPES


def _ratios(members: Sequence[Member], candidates: Sequence[Member]) -> list[float]:
    """The most frequent ratios of sizes, other than 1."""
    counts: collections.Counter[float] = collections.Counter()
    ours, theirs = (
        {(each.kind, each.shapes) for each in side if not each.name}
        for side in (members, candidates)
    )
    for kind, shapes in ours:
        for other_kind, other_shapes in theirs:
            if kind == other_kind and _ranks(shapes) == _ranks(other_shapes):
                counts.update(_axis_ratios(shapes, other_shapes) - {1.0})
    return [ratio for ratio, _ in counts.most_common(_MOST_RATIOS)]


def _score(ratio: float, member: Member, candidate: Member) -> int:
    """How well two members fit; 0 if they are no pair."""
    if member.name or candidate.name:
        return _NAME if member.name == candidate.name else 0
    if member.kind != candidate.kind:
        return 0
    return _fit(ratio, member.shapes, candidate.shapes)


@functools.lru_cache(maxsize=4096)
def _fit(ratio: float, shapes: _Shapes, others: _Shapes) -> int:
    if _ranks(shapes) != _ranks(others):
        return _CLASS
    found = _axis_ratios(shapes, others)
    is_same = [shape[:-2] for shape in shapes] == [other[:-2] for other in others]
    if not (is_same and found <= {ratio, 1.0}):
        return _RANKS
    return _SHAPES if ratio in found or not found else _SOME_AXES


def _axis_ratios(shapes: _Shapes, others: _Shapes) -> set[float]:
    """The ratios of the sizes of the axes, of the last two of each array."""
    return {
        size / max(other, 1)
        for one, two in zip(shapes, others, strict=True)
        for size, other in zip(one[-2:], two[-2:], strict=True)
    }


def _ranks(shapes: _Shapes) -> list[int]:
    return [len(shape) for shape in shapes]
