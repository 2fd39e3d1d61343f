"""Random subsets: `size` of `population` positions, for many units at once.

Every subset has exactly `size` members. All subsets are equally likely, up to the grid
of the random numbers. Small subsets are drawn by Floyd's algorithm, one step for each
member; large ones by selection sampling, one step for each position. Neither sorts, and
each step serves all units. (Bentley and Floyd 1987; Knuth, The Art of Computer
Programming, volume 2, algorithm 3.4.2 S.)
"""

from typing import Any

import numpy as np
from keras import ops

from keras_initx._kernel.arrays import cast, namespace
from keras_initx._kernel.random import integers, uniform


def positions(size: int, population: int, units: int, seed: Any) -> Any:
    """Floyd: integers of shape `(size, units)`, pairwise different in each column."""
    draws = integers((size, units), seed)
    xp = namespace(draws)
    chosen = draws[:1] % (population - size + 1)
    for index in range(1, size):
        # A uniform member of 0..last, or `last` if that one is taken.
        last = population - size + index
        candidate = draws[index : index + 1] % (last + 1)
        is_taken = xp.any(xp.equal(chosen, candidate), axis=0, keepdims=True)
        member = xp.where(is_taken, xp.full_like(candidate, last), candidate)
        chosen = xp.concatenate([chosen, member], axis=0)
    return chosen


def mask(size: int, population: int, units: int, seed: Any) -> Any:
    """Selection sampling: 0s and 1s, `(population, units)`, `size` 1s a column."""
    draws = uniform((population, units), seed)
    xp = namespace(draws)
    left = xp.arange(population, 0, -1, dtype="float32")
    # An integer: each float dtype stops counting exactly at some number.
    missing = xp.full((units,), size, dtype="int32")

    def step(missing: Any, row: Any) -> Any:
        """Selects with probability (members still missing) / (positions still left)."""
        draw, left = row
        is_member = cast(draw * left < cast(missing, "float32"), "int32")
        return missing - is_member, is_member

    if xp is not np:
        # On TensorFlow, the results of a scan have the dtype of what it carries.
        return ops.cast(ops.scan(step, missing, (draws, left))[1], "float32")
    for row in range(population):
        missing, draws[row] = step(missing, (draws[row], left[row]))
    return draws
