"""PyTorch: gradients of functions, and the modes in which layers run."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import torch

from keras_initx._backend.arithmetic import norm
from keras_initx._backend.torch import view


def preserve_modes(layer: keras.layers.Layer, with_gradients: bool) -> Any:
    """A context in which layers run with or without gradients, and keep their modes."""
    return _preserve_modes(layer, with_gradients)


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
