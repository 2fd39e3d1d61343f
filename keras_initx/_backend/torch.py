"""PyTorch: Keras's draws, and when they have values."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import torch

from keras_initx._backend.arithmetic import norm, scale, scaled_copy
from keras_initx._backend.seeds import generator_lock
from keras_initx._keras import stored_value, torch_device

# The least size of a kernel that is drawn on an accelerator, and what is none.
_LARGE, _HOSTS = 2**18, ("cpu", "meta")


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


def one_program(function: Callable[..., Any], *fixed: str) -> Callable[..., Any]:
    """The function, compiled as a whole where each operation would be by itself."""
    return function


def _is_here(stays: bool) -> bool:
    """Whether a tensor that is made now has values, in the memory of the host."""
    return not stays and torch_device() == "cpu" and not torch.compiler.is_compiling()


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


def preserve_modes(layer: keras.layers.Layer, with_gradients: bool) -> Any:
    """A context in which layers run with or without gradients, and keep their modes."""
    return _preserve_modes(layer, with_gradients)


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
    # The parameters themselves: a module of PyTorch within the model uses these.
    tensors = [a if a.requires_grad else a.detach().requires_grad_() for a in arguments]
    value = function(*tensors)

    def product(cotangent: np.ndarray) -> list[Any]:
        if not value.requires_grad:
            return [torch.zeros_like(tensor) for tensor in tensors]
        # Unlike `backward` this leaves the attribute `grad` alone.
        gradients = torch.autograd.grad(
            value,
            tensors,
            torch.as_tensor(cotangent).to(value),
            retain_graph=True,
            allow_unused=True,
        )
        return [
            torch.zeros_like(tensor) if gradient is None else gradient
            for tensor, gradient in zip(tensors, gradients, strict=True)
        ]

    return value.detach(), product


def probe(tensor: Any, token: Any) -> Any:
    """The tensor; the gradient of the scalar `token` is the norm of the tensor's."""
    return _Probe.apply(tensor, token)


class _Probe(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Any, token: Any) -> Any:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        array = view(gradient)
        if isinstance(array, np.ndarray):
            return gradient, torch.tensor(norm(array))
        return gradient, torch.linalg.vector_norm(gradient, dtype=torch.float32)


def double_precision() -> Any:
    """A context in which tensors of float64 stay what they are."""
    return contextlib.nullcontext()


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose code no tracing translates."""
    return function


def gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function; calling it fails if there is none."""

    def slopes(tensor: Any) -> Any:
        # The derivative of a derivative goes on with the tensor that it is given.
        is_inner = tensor.requires_grad
        with torch.enable_grad():
            if not is_inner:
                tensor = tensor.detach().requires_grad_()
            total = function(tensor).sum()
            return torch.autograd.grad(total, tensor, create_graph=is_inner)[0]

    return slopes


def run_train_step(
    model: keras.Model, data: Any, layers: list[keras.layers.Layer]
) -> None:
    """Runs `model.train_step` eagerly; the layers see tensors that have values."""
    parameters = list(model.parameters())
    gradients = [parameter.grad for parameter in parameters]
    modes = [(module, module.training) for module in model.modules()]
    for parameter in parameters:
        parameter.grad = None
    model.train()
    try:
        # A scheme changes kernels between the forward and the backward pass.
        with (
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(
                lambda tensor: tensor.detach().clone(), lambda tensor: tensor
            ),
        ):
            model.train_step(data)
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient


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
def _preserve_modes(layer: keras.layers.Layer, with_gradients: bool) -> Iterator[None]:
    modes = [(module, module.training) for module in layer.modules()]
    try:
        # Keras draws from the global generators where a layer has no seed.
        devices = range(torch.cuda.device_count())
        with torch.random.fork_rng(devices), torch.set_grad_enabled(with_gradients):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
