"""Two sequences side by side: which member of one stands for which of the other."""

from collections.abc import Callable, Sequence
from typing import Any


def aligned(
    one: Sequence[Any],
    other: Sequence[Any],
    score: Callable[[Any, Any], int],
    from_the_end: bool = False,
) -> list[tuple[int, int]]:
    """The places of the pairs that score most, in the order of both sequences.

    Of several equally good ways, the first members of the sequences are paired; from
    the end, the last ones.

    Args:
        one: A sequence.
        other: A sequence.
        score: A function of a member of each; 0 for two that are no pair.
        from_the_end: bool. Defaults to `False`.
    """
    if from_the_end:
        pairs = aligned(one[::-1], other[::-1], score)
        return [(len(one) - 1 - i, len(other) - 1 - j) for i, j in reversed(pairs)]
    best = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    scores = [[score(a, b) for b in other] for a in one]
    for i in reversed(range(len(one))):
        for j in reversed(range(len(other))):
            paired = scores[i][j] + best[i + 1][j + 1] if scores[i][j] else 0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        if scores[i][j] and best[i][j] == scores[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs
