"""TensorFlow: gradients of functions, which a tape records."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_initx._backend.arithmetic import norm
from keras_initx._backend.tensorflow import has_values, view


def preserve_modes(layer: keras.layers.Layer, with_gradients: bool) -> Any:
    """A context in which layers run with or without gradients, and keep their modes."""
    return contextlib.nullcontext()


def gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function; calling it fails if there is none."""

    def slopes(tensor: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            values = function(tensor)
        found = tape.gradient(values, tensor)
        if found is None:
            raise ValueError("The values do not depend on the tensor.")
        return found

    # Eagerly, what NumPy computes would pass for a constant.
    return tf.function(slopes, autograph=False)


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
    tensors = [tf.convert_to_tensor(argument) for argument in arguments]
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(tensors)
        value = function(*tensors)

    def product(cotangent: np.ndarray) -> list[Any]:
        gradients = tape.gradient(
            value,
            tensors,
            output_gradients=tf.convert_to_tensor(cotangent, value.dtype),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # Those of an embedding are sparse.
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    return value, product


@tf.custom_gradient
def probe(tensor: Any, token: Any) -> Any:
    """The tensor; the gradient of the scalar `token` is the norm of the tensor's."""

    def gradients(gradient: Any) -> tuple[Any, Any]:
        gradient = tf.convert_to_tensor(gradient)
        array = view(gradient) if has_values(gradient) else gradient
        if isinstance(array, np.ndarray):
            return gradient, tf.constant(norm(array), "float32")
        return gradient, tf.norm(tf.cast(gradient, "float32"))

    return tf.identity(tensor), gradients
