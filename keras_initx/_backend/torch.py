"""PyTorch: Keras's draws, and when they have values."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import torch

from keras_initx._arrays import scaled_copy


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


def stored(variable: keras.Variable) -> Any:
    """The tensor that a variable holds, in the variable's own dtype."""
    return variable._value.detach()


def saved(variable: keras.Variable) -> Any:
    """What the variable holds, for `variable.assign`; in the memory of the host."""
    tensor = stored(variable)
    return tensor.clone() if tensor.device.type == "cpu" else tensor.cpu()


def scaled(tensor: Any, factors: np.ndarray, offset: np.ndarray) -> Any:
    """`factors * tensor + offset`; nobody may use the tensor any more."""
    if tensor.dtype not in (torch.float32, torch.float64):
        return scaled_copy(tensor, factors, offset)
    with torch.no_grad():
        # Half of the time of a copy is spent on new pages of memory.
        tensor = tensor.mul_(torch.as_tensor(factors).to(tensor))
        if np.any(offset != 0):
            tensor = tensor.add_(torch.as_tensor(offset).to(tensor))
    return tensor


def undisturbed(layer: keras.layers.Layer) -> Any:
    """A context in which layers run without gradients, and keep their modes."""
    return _undisturbed(layer)


def before_training(
    model: keras.Model, looks: list[tuple[int, Callable[[list[Any]], None]]]
) -> Callable[..., Any]:
    """The model's train function, whose next call begins with the `looks`.

    Each gets the next batch; then training does. PyTorch's trainer shows one at a time.
    """
    train_function = model.train_function

    def function(batches: list[Any]) -> Any:
        model.train_function = train_function
        for _, look in looks:
            look(batches)
        return train_function(batches)

    return function


@contextlib.contextmanager
def _undisturbed(layer: keras.layers.Layer) -> Iterator[None]:
    modes = [(module, module.training) for module in layer.modules()]
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
