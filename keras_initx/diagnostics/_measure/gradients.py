"""The gradient of a loss: of each kernel, and of each layer's output."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend.arithmetic import norm
from keras_initx._backend.gradients import probe, pullback
from keras_initx._model.sublayers import sublayers
from keras_initx._model.tensors import as_array, first_tensor
from keras_initx._model.trace import LayerCall, trace
from keras_initx.diagnostics._measure.quiet_observer import QuietObserver
from keras_initx.diagnostics._measure.signal_pass import SignalPass

# In float16 small gradients vanish. The loss is scaled as `LossScaleOptimizer` does at
# first, unless that overflows.
_SCALES = (2.0**15, 1.0)


def add_gradients(
    model: keras.layers.Layer,
    batch: Any,
    seen: SignalPass,
    loss: Callable[[Any], Any],
    training: bool,
    others: Sequence[keras.Variable] = (),
) -> tuple[float, dict[int, tuple[keras.Variable, Any]]]:
    """Fills in the norms of the gradients.

    Args:
        model: keras.layers.Layer.
        batch: What the model is called with.
        seen: SignalPass. The pass that made the rows.
        loss: A function of the model's output, with a scalar result.
        training: bool. Whether the model is called as in training.
        others: sequence of keras.Variable. What shall have a gradient too, such as
            biases. Defaults to `()`.

    Returns:
        The loss, and for the identity of each variable that has a gradient: the
        variable and the gradient.
    """
    kernels = {
        id(kernel.variable): kernel
        for kernel in seen.kernels
        if kernel.variable.trainable
    }
    variables = [kernel.variable for kernel in kernels.values()]
    variables += [variable for variable in others if id(variable) not in kernels]
    rows = [row for row in seen.rows if row.std is not None]
    # What is probed: the output of each, and the first and last inputs of loops.
    probed = [(id(row), "output") for row in rows]
    recurrent = [row for row in rows if row.over_time is not None]
    probed += [(id(row), end) for row in recurrent for end in ("first", "last")]
    scales = _SCALES if _has_float16(model) else _SCALES[1:]

    def scaled_loss(scale: float, *arguments: Any) -> Any:
        values, tokens = arguments[: len(variables)], arguments[len(variables) :]
        probes = _Probes(seen, dict(zip(probed, tokens, strict=True)))
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(mapping, collect_losses=True):
            output = trace(
                model, batch, probes, training=training, is_differentiated=True
            )
            return ops.cast(loss(output), "float32") * scale

    tokens = [ops.zeros((), "float32") for _ in probed]

    def gradients_at(scale: float) -> tuple[float, list[float], list[Any]]:
        value, product = pullback(
            lambda *arguments: scaled_loss(scale, *arguments),
            [*(variable.value for variable in variables), *tokens],
        )
        products = product(np.ones((), "float32"))
        norms = [norm(as_array(gradient)) / scale for gradient in products]
        return float(as_array(value)) / scale, norms, products[: len(variables)]

    for scale in scales:
        value, norms, products = gradients_at(scale)
        if np.isfinite(norms).all():
            break
    if scale > 1 and _trains_unscaled(model):
        _, unscaled, _ = gradients_at(1.0)
        for kernel, one, other in zip(kernels.values(), unscaled, norms, strict=False):
            kernel.row.float16_share = one / other if other > 0 else None
    for kernel, found in zip(kernels.values(), norms, strict=False):
        kernel.row.gradient = found
    gradients = dict(zip(probed, norms[len(variables) :], strict=True))
    for row in rows:
        row.output_gradient = gradients[id(row), "output"]
        if row.over_time is not None:
            row.over_time.set_gradients(
                gradients[id(row), "first"], gradients[id(row), "last"]
            )
    _share(seen, kernels)
    return value, {
        id(variable): (variable, gradient if scale == 1 else gradient / scale)
        for variable, gradient in zip(variables, products, strict=True)
    }


class _Probes(QuietObserver):
    """Puts probes of the gradient at the outputs of layers, and at inputs of loops."""

    def __init__(self, seen: SignalPass, tokens: dict[tuple[int, str], Any]) -> None:
        self._seen = seen
        self._tokens = tokens

    def enter(self, call: LayerCall) -> None:
        ends, first = self._seen.ends_of(call.layer), self._token(call, "first")
        if ends is None or first is None:
            return
        last, inputs = self._token(call, "last"), first_tensor(call.args)
        if inputs is None:
            return
        at_first, at_last = (ops.cast(end, inputs.dtype) for end in ends)
        # A step may be both. The sum is the inputs themselves.
        probed = (
            inputs * (1 - at_first - at_last)
            + probe(inputs, first) * at_first
            + probe(inputs, last) * at_last
        )
        call.args = keras.tree.map_structure(
            lambda leaf: probed if leaf is inputs else leaf, call.args
        )

    def leave(self, call: LayerCall, output: Any) -> Any:
        token, probed = self._token(call, "output"), first_tensor(output)
        if token is None or probed is None:
            return output
        return keras.tree.map_structure(
            lambda leaf: probe(leaf, token) if leaf is probed else leaf, output
        )

    def _token(self, call: LayerCall, what: str) -> Any:
        """The token of a probe, if there is to be one."""
        row = self._seen.row_of(call.layer) if call.number == 1 else None
        return self._tokens.get((id(row), what))


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


def _trains_unscaled(model: keras.layers.Layer) -> bool:
    """Whether `fit` would take gradients of the loss as it is, in float16 too."""
    optimizer = getattr(model, "optimizer", None)
    scaled = keras.optimizers.LossScaleOptimizer
    return optimizer is not None and not isinstance(optimizer, scaled)
