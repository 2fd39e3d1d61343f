"""The gradient of a loss: of each kernel, and of each layer's output."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import probe, pullback
from keras_initx._backend.arithmetic import norm
from keras_initx._model.sublayers import sublayers
from keras_initx._model.tensors import as_array, first_tensor
from keras_initx._model.trace import LayerCall, trace
from keras_initx.diagnostics._measure.signal_pass import QuietObserver, SignalPass

# In float16 small gradients vanish. The loss is scaled as `LossScaleOptimizer` does at
# first, unless that overflows.
_SCALES = (2.0**15, 1.0)


def add_gradients(
    model: keras.layers.Layer,
    batch: Any,
    seen: SignalPass,
    loss: Callable[[Any], Any],
    training: bool,
) -> float:
    """Fills in the norms of the gradients.

    Args:
        model: keras.layers.Layer.
        batch: What the model is called with.
        seen: SignalPass. The pass that made the rows.
        loss: A function of the model's output, with a scalar result.
        training: bool. Whether the model is called as in training.

    Returns:
        The loss.
    """
    kernels = {
        id(kernel.variable): kernel
        for kernel in seen.kernels
        if kernel.variable.trainable
    }
    variables = [kernel.variable for kernel in kernels.values()]
    rows = [row for row in seen.rows if row.std is not None]
    places = {id(row): place for place, row in enumerate(rows)}
    scales = _SCALES if _has_float16(model) else _SCALES[1:]

    def scaled_loss(scale: float, *arguments: Any) -> Any:
        values, tokens = arguments[: len(variables)], arguments[len(variables) :]
        probes = _Probes(seen, {key: tokens[place] for key, place in places.items()})
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(mapping, collect_losses=True):
            output = trace(
                model, batch, probes, training=training, is_differentiated=True
            )
            return ops.cast(loss(output), "float32") * scale

    tokens = [ops.zeros((), "float32") for _ in rows]
    for scale in scales:
        value, product = pullback(
            lambda *arguments, scale=scale: scaled_loss(scale, *arguments),
            [*(variable.value for variable in variables), *tokens],
        )
        gradients = product(np.ones((), "float32"))
        norms = [norm(as_array(gradient)) / scale for gradient in gradients]
        if np.isfinite(norms).all():
            break
    for kernel, found in zip(kernels.values(), norms, strict=False):
        kernel.row.gradient = found
    for row, found in zip(rows, norms[len(variables) :], strict=True):
        row.output_gradient = found
    _share(seen, kernels)
    return float(as_array(value)) / scale


class _Probes(QuietObserver):
    """Puts a probe of the gradient at the output of each layer that has a row."""

    def __init__(self, seen: SignalPass, tokens: dict[int, Any]) -> None:
        self._seen = seen
        self._tokens = tokens

    def leave(self, call: LayerCall, output: Any) -> Any:
        row = self._seen.row_of(call.layer) if call.number == 1 else None
        token = self._tokens.get(id(row))
        if token is None:
            return output
        probed = first_tensor(output)
        if probed is None:
            return output
        return keras.tree.map_structure(
            lambda leaf: probe(leaf, token) if leaf is probed else leaf, output
        )


def _share(seen: SignalPass, kernels: dict[int, Any]) -> None:
    """Gives tied kernels the same gradient, and fills in the ratios."""
    for kernel in seen.kernels:
        owner = kernels.get(id(kernel.variable))
        if owner is not None:
            kernel.row.gradient = owner.row.gradient
            if kernel.row.norm > 0:
                kernel.row.gradient_ratio = owner.row.gradient / kernel.row.norm


def _has_float16(model: keras.layers.Layer) -> bool:
    return any(layer.compute_dtype == "float16" for layer in sublayers(model))
