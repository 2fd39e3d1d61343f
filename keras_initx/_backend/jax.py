"""JAX: a program that is compiled once for each shape beats many operations."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def compiled(*static_argnames: str) -> Callable[[Callable], Callable]:
    """Decorator: one program for each shape and each value of the static arguments."""
    return lambda function: jax.jit(function, static_argnames=static_argnames)


def fold(step: Callable[[Any, Any, Any], Any], state: Any, items: Any) -> Any:
    """The last `state = step(state, index, item)` over the first axis of `items`."""
    indices = jnp.arange(items.shape[0])
    return jax.lax.scan(
        lambda state, item: (step(state, *item), None), state, (indices, items)
    )[0]


@compiled("shape")
def scatter(rows: Any, columns: Any, values: Any, shape: tuple[int, int]) -> Any:
    """Zeros of `shape`, with `values` at the pairwise different `(rows, columns)`."""
    zeros = jnp.zeros(shape, values.dtype)
    return zeros.at[rows, columns].set(
        values, unique_indices=True, mode="promise_in_bounds"
    )
