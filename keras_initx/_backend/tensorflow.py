"""TensorFlow: nothing here differs from what Keras does."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def on_host(tensor: Any) -> Any:
    """The tensor as a NumPy array, if it has values now."""
    has_values = tf.executing_eagerly() and hasattr(tensor, "numpy")
    return tensor.numpy() if has_values else tensor


def draw(distribution: str, shape: tuple[int, ...], seed: Any, **arguments: Any) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name."""
    sample = getattr(keras.random, distribution)
    return on_host(sample(shape, seed=seed, **arguments))


def reflect_small(gaussian: np.ndarray, gain: float) -> np.ndarray | None:
    """The fast route of `_haar` for a small matrix on this backend, if there is one."""
    return None
