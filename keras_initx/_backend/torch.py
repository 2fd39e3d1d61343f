"""PyTorch: its LAPACK is the fastest for small matrices."""

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


def draw(distribution: str, shape: tuple[int, ...], seed: Any, **arguments: Any) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name."""
    sample = getattr(keras.random, distribution)
    return on_host(sample(shape, seed=seed, **arguments))


def reflect_small(gaussian: np.ndarray, gain: float) -> np.ndarray | None:
    """The fast route of `_haar` for a small matrix on this backend, if there is one.

    LAPACK multiplies the reflections: up to some hundred columns it has less overhead.
    """
    if gaussian.shape[-1] > 256:
        return None
    v = torch.from_numpy(gaussian).tril()
    firsts = v.diagonal(dim1=-2, dim2=-1)
    norms = torch.copysign(torch.linalg.vector_norm(v, dim=-2), firsts)
    leading = firsts + norms
    # A vector of zeros is 0 / 0 here: no reflection.
    vectors = torch.nan_to_num(v / leading.unsqueeze(-2))
    scales = torch.nan_to_num(leading / norms)
    q = torch.linalg.householder_product(vectors, scales)
    signs = torch.copysign(torch.ones_like(norms), norms)
    return (q * (-gain * signs.unsqueeze(-2))).numpy()
