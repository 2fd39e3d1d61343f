"""PyTorch: training, which runs eagerly."""

from collections.abc import Callable
from typing import Any

import keras
import torch


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
