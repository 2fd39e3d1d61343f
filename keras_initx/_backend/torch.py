"""PyTorch: tensors and variables, and when they have values."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch

from keras_initx._backend.arithmetic import scale, scaled_copy
from keras_initx._backend.seeds import generator_lock
from keras_initx._keras import stored_value


def on_host(tensor: Any) -> Any:
    """The tensor as a NumPy array, if it has values now."""
    is_plain = type(tensor) is torch.Tensor and not tensor.is_meta
    if not is_plain or torch.compiler.is_compiling():
        return tensor
    return tensor.numpy(force=True)


def next_state(generator: keras.random.SeedGenerator) -> Any:
    """The state of the generator, which moves on; each thread gets another one."""
    with generator_lock:
        return generator.next()


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor; nobody may change it any more."""
    return torch.from_numpy(array)


def one_program(function: Callable[..., Any], *fixed: str) -> Callable[..., Any]:
    """The function, compiled as a whole where each operation would be by itself."""
    return function


def has_values(tensor: Any) -> bool:
    """Whether this is a tensor with values now, not a part of a program."""
    return not tensor.is_meta and not torch.compiler.is_compiling()


def view(tensor: Any) -> Any:
    """The tensor as a NumPy array to read, without a copy, where it is in reach."""
    if tensor.device.type != "cpu":
        return tensor
    # NumPy has no bfloat16.
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def assign(variable: keras.Variable, value: Any) -> None:
    """Assigns to a variable, also while a layer runs in mixed precision."""
    kept = stored(variable)
    if keras.backend.standardize_dtype(kept.dtype) == variable.dtype:
        variable.assign(value)
        return
    # Keras assigns to the rounded copy that layers see in mixed precision.
    with torch.no_grad():
        kept.copy_(keras.ops.convert_to_tensor(value, dtype=kept.dtype))


def stored(variable: keras.Variable) -> Any:
    """The tensor that a variable holds, in the variable's own dtype."""
    return stored_value(variable).detach()


def saved(variable: keras.Variable) -> Any:
    """What the variable holds, for `variable.assign`; in the memory of the host."""
    tensor = stored(variable)
    if tensor.device.type != "cpu":
        return tensor.cpu()
    array = _array_of(tensor)
    # NumPy asks the system for large pages of memory, of which it takes fewer.
    return tensor.clone() if array is None else torch.from_numpy(array.copy())


def scaled(tensor: Any, factors: np.ndarray, offset: np.ndarray) -> Any:
    """`factors * tensor + offset`; nobody may use the tensor any more."""
    if tensor.dtype not in (torch.float32, torch.float64):
        return scaled_copy(tensor, factors, offset)
    # A copy spends most of its time on new pages of memory.
    array = _array_of(tensor)
    if array is not None:
        scale(array, factors, offset, into=array)
        return tensor
    with torch.no_grad():
        tensor = tensor.mul_(torch.as_tensor(factors).to(tensor))
        if np.any(offset != 0):
            tensor = tensor.add_(torch.as_tensor(offset).to(tensor))
    return tensor


def rescale(variable: keras.Variable, factors: np.ndarray) -> None:
    """Multiplies a variable, in its own memory."""
    before = stored(variable)
    after = scaled(before, factors, np.zeros(()))
    if after is not before:
        assign(variable, after)


def _array_of(tensor: Any) -> np.ndarray | None:
    """The tensor in NumPy, without a copy; None where it is elsewhere, or is short."""
    is_wide = tensor.dtype in (torch.float32, torch.float64)
    is_here = tensor.device.type == "cpu" and tensor.is_contiguous()
    return tensor.detach().numpy() if is_wide and is_here else None


def double_precision() -> Any:
    """A context in which tensors of float64 stay what they are."""
    return contextlib.nullcontext()


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose code no tracing translates."""
    return function
