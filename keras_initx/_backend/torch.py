"""PyTorch: eager operations are cheap enough to need no compilation."""

from collections.abc import Callable
from typing import Any

import torch


def compiled(*static_argnames: str) -> Callable[[Callable], Callable]:
    """Decorator: leaves the function as it is."""
    return lambda function: function


def fold(step: Callable[[Any, Any, Any], Any], state: Any, items: Any) -> Any:
    """The last `state = step(state, index, item)` over the first axis of `items`."""
    for index, item in enumerate(items):
        state = step(state, index, item)
    return state


def scatter(rows: Any, columns: Any, values: Any, shape: tuple[int, int]) -> Any:
    """Zeros of `shape`, with `values` at the pairwise different `(rows, columns)`."""
    zeros = torch.zeros(shape, dtype=values.dtype, device=values.device)
    zeros[rows.long(), columns.long()] = values
    return zeros
