"""Kernels of a mixture of experts, from a dense one."""

import numpy as np


def copied_to_experts(old: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array in each of the experts, which number one more axis of `shape`.

    Where the outputs of the experts are averaged with weights that add up to 1, the
    mixture computes what the dense layer did (Komatsuzaki et al. 2023).

    Raises:
        ValueError: If `shape` is not that of the array with one more axis.
    """
    for axis in range(len(shape)):
        if shape[:axis] + shape[axis + 1 :] == old.shape:
            return np.repeat(np.expand_dims(old, axis), shape[axis], axis)
    raise ValueError("no axis of experts")
