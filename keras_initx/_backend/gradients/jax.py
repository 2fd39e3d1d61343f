"""JAX: gradients of functions, which are traced."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np


def preserve_modes(layer: keras.layers.Layer, with_gradients: bool) -> Any:
    """A context in which layers run with or without gradients, and keep their modes."""
    return contextlib.nullcontext()


def gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function; calling it fails if there is none."""

    def slopes(tensor: Any) -> Any:
        values, pull_back = jax.vjp(function, tensor)
        return pull_back(jnp.ones_like(values))[0]

    return jax.jit(slopes)


def pullback(
    function: Callable[..., Any], arguments: list[Any]
) -> tuple[Any, Callable[[np.ndarray], list[Any]]]:
    """The value of a function, and its vector-Jacobian product.

    Args:
        function: Takes tensors and returns one tensor. It runs once.
        arguments: list of tensors and variables' values, all of floats.

    Returns:
        The value, and a function of a cotangent: the gradients of their scalar product,
        one tensor for each argument.
    """
    value, product = jax.vjp(function, *arguments)
    return value, lambda cotangent: list(product(jnp.asarray(cotangent, value.dtype)))


@jax.jit
def _norm(gradient: Any) -> Any:
    """The Euclidean norm, right even if the squares overflow or vanish."""
    gradient = gradient.astype("float32")
    largest = jnp.max(jnp.abs(gradient), initial=0)
    scale = jnp.where(jnp.isfinite(largest) & (largest > 0), largest, 1)
    return scale * jnp.sqrt(jnp.sum((gradient / scale) ** 2))


@jax.custom_vjp
def probe(tensor: Any, token: Any) -> Any:
    """The tensor; the gradient of the scalar `token` is the norm of the tensor's."""
    return tensor


probe.defvjp(lambda tensor, _: (tensor, None), lambda _, grad: (grad, _norm(grad)))
