"""PyTorch: Keras's draws, and when they have values."""

from typing import Any

import keras
import numpy as np
import torch


def on_host(tensor: Any) -> Any:
    """The tensor as a NumPy array, if it has values now."""
    is_plain = type(tensor) is torch.Tensor and not tensor.is_meta
    if not is_plain or torch.compiler.is_compiling():
        return tensor
    return tensor.numpy(force=True)


def next_state(generator: keras.random.SeedGenerator) -> Any:
    """The state of the generator, which moves on."""
    return generator.next()


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor; nobody may change it any more."""
    return torch.from_numpy(array)


def draw(distribution: str, shape: tuple[int, ...], seed: Any, **arguments: Any) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name."""
    sample = getattr(keras.random, distribution)
    return on_host(sample(shape, seed=seed, **arguments))
