"""Random subsets: `size` of `population` positions, for many units at once.

Every subset is equally likely, up to the grid of the random numbers, and always has
exactly `size` members. Small subsets are drawn by Floyd's algorithm, one step a member;
large ones by selection sampling, one step a position. Neither sorts, and each step
serves all units. (Bentley and Floyd 1987; Knuth, The Art of Computer Programming,
volume 2, algorithm 3.4.2 S.)
"""

from typing import Any

from keras import ops

from keras_initx import _random
from keras_initx._backend import compiled, fold


def positions(size: int, population: int, units: int, seed: Any) -> Any:
    """Floyd: integers of shape `(size, units)`, pairwise different in each column."""
    return _floyd(_random.integers((size, units), seed), population)


@compiled("population")
def _floyd(draws: Any, population: int) -> Any:
    size = draws.shape[0]

    rows = ops.expand_dims(ops.arange(size, dtype="int32"), -1)
    candidates = draws % (population - size + rows + 1)

    def step(chosen: Any, index: Any, candidate: Any) -> Any:
        """Adds a uniform member of 0..last, or `last` if that one is taken."""
        is_taken = ops.any(chosen == candidate, axis=0)
        member = ops.where(is_taken, population - size + index, candidate)
        return ops.where(rows == index, member, chosen)

    return fold(step, ops.full(draws.shape, -1, dtype="int32"), candidates)


def mask(size: int, population: int, units: int, seed: Any) -> Any:
    """Selection sampling: 0s and 1s, `(population, units)`, `size` 1s a column."""
    return _select(_random.uniform((population, units), "float32", seed), size)


@compiled("size")
def _select(draws: Any, size: int) -> Any:
    population, units = draws.shape

    def step(missing: Any, row: Any) -> Any:
        """Selects with probability (members still missing) / (positions still left)."""
        draw, left = row
        is_member = ops.cast(draw * left < missing, "float32")
        return missing - is_member, is_member

    left = ops.arange(population, 0, -1, dtype="float32")
    missing = ops.full((units,), float(size), dtype="float32")
    return ops.scan(step, missing, (draws, left))[1]
