"""Kernels of a first convolution, for images with other channels."""

import numpy as np


def for_channels(old: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The kernel for `size` input channels.

    With one channel, its weights are the sum of the old ones: a grey image gives what
    it gave when it was repeated in all channels. Otherwise the old channels are
    repeated in turn and scaled by `old / new`, as in timm: pre-activations keep their
    size. From one channel to `size`, an image that is grey in all of them gives what it
    gave.
    """
    count = old.shape[axis]
    if size == 1:
        return old.sum(axis=axis, keepdims=True)
    repeated = np.take(old, np.arange(size) % count, axis)
    return repeated * np.asarray(count / size, old.dtype)
