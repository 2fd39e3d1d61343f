"""Work on large arrays in NumPy, by as many threads as there are cores."""

import concurrent.futures
import os
from collections.abc import Callable
from typing import Any

import numpy as np

# To start threads takes as long as a pass over so many numbers.
_FEW = 2**19
# More threads than this do not read memory any faster.
_MOST_THREADS = 8


def in_parts(
    function: Callable[[int, int], Any], length: int, numbers: int, step: int = 1
) -> list[Any]:
    """What `function(start, stop)` returns for the parts of a range, in order.

    Overflow and NaN are no warnings there.

    Args:
        function: It has to release the lock of Python, as NumPy does, to gain by this.
        length: int. The parts are those of `range(length)`.
        numbers: int. How many numbers all parts work on. Few are one part.
        step: int. The parts begin at multiples of it. Defaults to `1`.
    """
    steps = -(-length // step)
    count = max(1, min(_threads(), steps, numbers // _FEW))
    starts = [step * (steps * part // count) for part in range(count)]
    stops = [*starts[1:], length]

    def run(start: int, stop: int) -> Any:
        with np.errstate(all="ignore"):
            return function(start, stop)

    if count == 1:
        return [run(0, length)]
    with concurrent.futures.ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, starts, stops))


def _threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    return min(_MOST_THREADS, os.cpu_count() or 1)
