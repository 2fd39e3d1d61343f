"""The first update: one step of the model's own optimizer, computed and not taken."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._model.optimizers import optimizer_of, rate_of
from keras_initx._model.tensors import as_array
from keras_initx._model.trace import trace
from keras_initx._report.table import number
from keras_initx.diagnostics._measure.kernels import Kernel
from keras_initx.diagnostics._measure.optimizer_step import step_on_copies
from keras_initx.diagnostics._measure.quiet_observer import QuietObserver

# So many samples, and so many numbers of each, of which the outputs are compared.
_SAMPLES, _ENTRIES = 256, 4096


@dataclasses.dataclass(frozen=True)
class FirstUpdate:
    """What one step of training would do, on the batch that it learns from.

    Attributes:
        optimizer: str. The name of its class.
        rate: float. Its learning rate at present: at the first step, if the model has
            not been trained.
        is_scheduled: bool. Whether the rate is that of a schedule, and will change.
        weight_decay: float. The share of a weight that the optimizer takes off in each
            step, divided by the rate; 0 without one.
        momentum: float. That of `SGD`, with which a steady gradient acts `1 / (1 -
            momentum)` times as strongly in the end; else 0.
        loss_before: float. On the batch.
        loss_after: float. On the same batch, after the step.
        predicted: float. The change of the loss by the gradient: what a very small step
            in the same direction would do, times the length of the step.
        output_change: float. The norm of the change of the outputs over that of the
            outputs.
        kept: float or None. How far the outputs for different samples differ after the
            step, over how far they differed before it, where both are compared along
            the differences before: 1 if the step leaves them as they are, near 0 if
            nothing is left of them. None if they did not differ.
        decay: float or None. The norm of what the weight decay takes off the kernels,
            over the norm of what the optimizer adds by their gradients; None without
            either.
    """

    optimizer: str
    rate: float
    is_scheduled: bool
    weight_decay: float
    momentum: float
    loss_before: float
    loss_after: float
    predicted: float
    output_change: float
    kept: float | None = None
    decay: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return (
            f"First update, {self.optimizer} at a rate of {number(self.rate)}: the "
            f"loss of this batch goes from {number(self.loss_before)} to "
            f"{number(self.loss_after)}; the outputs change by "
            f"{number(100 * self.output_change, 3)} %."
        )


def trained_by(model: keras.layers.Layer) -> list[keras.Variable]:
    """The variables whose gradients the first update needs; none without one."""
    if optimizer_of(model) is None:
        return []
    return list(model.trainable_variables)


def first_update(
    model: keras.layers.Layer,
    batch: Any,
    loss: Callable[[Any], Any],
    gradients: dict[int, tuple[keras.Variable, Any]],
    kernels: list[Kernel],
    before: tuple[float, Any],
    training: bool,
) -> FirstUpdate | None:
    """Computes the step, and what it does to the outputs; the model stays as it is.

    It is the step of a new optimizer of the same configuration. It fills in the
    `update_ratio` of each kernel.

    Args:
        model: keras.layers.Layer.
        batch: What the model is called with.
        loss: A function of the model's output, with a scalar result.
        gradients: dict. For the identity of each trainable variable: the variable and
            the gradient of the loss.
        kernels: list of Kernel. Those of the report.
        before: The loss and the outputs before the step.
        training: bool. Whether the model is called as in training.

    Returns:
        None where the model has no optimizer, or one whose step cannot be computed: it
        has no rate of its own, or cannot be made from its configuration.
    """
    optimizer = optimizer_of(model)
    step = None if optimizer is None else step_on_copies(optimizer, gradients)
    if optimizer is None or step is None:
        return None
    for kernel in kernels:
        if id(kernel.variable) in step.changes and kernel.row.norm > 0:
            change = step.changes[id(kernel.variable)]
            kernel.row.update_ratio = change / kernel.row.norm
    mapping = [(gradients[key][0], value) for key, value in step.values.items()]
    with keras.StatelessScope(mapping, collect_losses=True):
        output = trace(model, batch, QuietObserver(), training=training)
        after = float(as_array(ops.cast(loss(output), "float32")))
    loss_before, output_before = before
    change, kept = _compare(_numbers(output_before), _numbers(output))
    return FirstUpdate(
        type(optimizer).__name__,
        rate_of(optimizer),
        isinstance(optimizer.get_config().get("learning_rate"), dict),
        float(optimizer.weight_decay or 0.0),
        _momentum(optimizer),
        loss_before,
        after,
        step.predicted,
        change,
        kept,
        step.decay,
    )


def _momentum(optimizer: keras.optimizers.Optimizer) -> float:
    """That of plain gradients; other optimizers divide by their size."""
    is_plain = isinstance(optimizer, keras.optimizers.SGD)
    return float(optimizer.momentum) if is_plain else 0.0


def _numbers(output: Any) -> list[np.ndarray]:
    """Of each output of floats, up to 256 samples, of up to some 4096 numbers."""
    found = []
    for leaf in keras.tree.flatten(output):
        dtype = keras.backend.standardize_dtype(leaf.dtype)
        if len(leaf.shape) == 0 or not keras.backend.is_float_dtype(dtype):
            continue
        array = as_array(leaf[:_SAMPLES])
        array = array.reshape(len(array), -1)
        step = max(1, array.shape[-1] // _ENTRIES)
        found.append(array[:, ::step].astype("float64"))
    return found


def _compare(
    before: list[np.ndarray], after: list[np.ndarray]
) -> tuple[float, float | None]:
    """The relative change, and what is kept of the differences between samples."""
    with np.errstate(all="ignore"):
        change = sum(((b - a) ** 2).sum() for a, b in zip(before, after, strict=True))
        size = sum((a**2).sum() for a in before)
        apart = [
            (a - a.mean(0), b - b.mean(0)) for a, b in zip(before, after, strict=True)
        ]
        own = sum((a**2).sum() for a, _ in apart)
        common = sum((a * b).sum() for a, b in apart)
        relative = float(np.sqrt(change / size)) if size else float("inf")
        return relative, float(common / own) if own else None
