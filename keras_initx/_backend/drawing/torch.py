"""PyTorch: Keras's draws, on the host or on the device."""

import contextlib
from typing import Any

import keras
import torch

from keras_initx._backend.seeds import generator_lock
from keras_initx._backend.torch import on_host
from keras_initx._keras import torch_device

# The least size of a kernel that is drawn on an accelerator, and what is none.
_LARGE, _HOSTS = 2**18, ("cpu", "meta")


def draw(
    distribution: str,
    shape: tuple[int, ...],
    seed: Any,
    stays: bool = False,
    **arguments: Any,
) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name.

    Where there are values now they are a NumPy array, unless the result `stays` a
    tensor on the device.
    """
    if distribution == "normal" and isinstance(seed, int) and _is_here(stays):
        # As Keras does, but it makes a tensor of the seed first, which takes longer.
        generator = torch.Generator("cpu").manual_seed(seed % 2**32)
        dtype = getattr(torch, arguments["dtype"])
        numbers = torch.randn(shape, generator=generator, dtype=dtype, device="cpu")
        return numbers.numpy()
    sample = getattr(keras.random, distribution)
    is_generator = isinstance(seed, keras.random.SeedGenerator)
    # Keras reads the state within, except on a device that holds no values.
    with generator_lock if is_generator else contextlib.nullcontext():
        numbers = sample(shape, seed=seed, **arguments)
    return numbers if stays else on_host(numbers)


def draws_on_device(size: int) -> bool:
    """Whether a kernel of this size is faster drawn on Keras's default device.

    A device takes some milliseconds to start a hundred operations. The host takes as
    long for some 100,000 entries.
    """
    device = torch_device() if size >= _LARGE else None
    is_accelerator = device is not None and device.partition(":")[0] not in _HOSTS
    return is_accelerator and not torch.compiler.is_compiling()


def _is_here(stays: bool) -> bool:
    """Whether a tensor that is made now has values, in the memory of the host."""
    return not stays and torch_device() == "cpu" and not torch.compiler.is_compiling()
