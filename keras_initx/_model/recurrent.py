"""What happens in a recurrent layer, step by step.

Keras runs such a layer in a loop, within which nothing can be watched. But its states
are its outputs, and the pre-activations of its gates follow from inputs, states and
weights, for all steps at once.
"""

import contextlib
import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_initx._backend import stored
from keras_initx._keras import is_of_keras
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import as_array

# The gates of each cell, in the order in which they stand in its kernels.
_GATES = {
    layers.SimpleRNNCell: ("state",),
    layers.LSTMCell: ("input", "forget", "cell", "output"),
    layers.GRUCell: ("update", "reset", "candidate"),
}
_CELL_KERNELS = ("kernel", "recurrent_kernel")
# These have `activation`, and the others `recurrent_activation`.
_NEW_VALUES = ("state", "cell", "candidate")
# What bfloat16 leaves of an orthogonal matrix.
_ROUNDING = 0.02


@dataclasses.dataclass(frozen=True)
class Steps:
    """The steps of one call of a recurrent layer, in the order in which they ran.

    All arrays but the mask have dtype float32.

    Attributes:
        states: array of shape `(batch, steps, units)`. The state after each step.
        pre_activations: array of shape `(batch, steps, gates * units)`.
        bias: array of shape `(gates * units,)`. What of them no input can change.
        gates: dict. The values of each gate that opens and shuts, by its name, of the
            shape of the states.
        mask: bool array of shape `(batch, steps)`, or None. The steps that count.
    """

    states: np.ndarray
    pre_activations: np.ndarray
    bias: np.ndarray
    gates: dict[str, np.ndarray]
    mask: np.ndarray | None


def gate_names(layer: layers.Layer) -> tuple[str, ...]:
    """The gates of a recurrent layer; none if its cell is not one that is known."""
    if not isinstance(layer, layers.RNN) or not is_of_keras(layer):
        return ()
    return _GATES.get(type(layer.cell), ())


def recurrent_kernels(layer: layers.Layer) -> LayerKernel | None:
    """The kernels of a recurrent layer with known gates; None for another layer.

    The main one is that of the inputs. How the pre-activations depend on it is not
    known: it also changes the states.
    """
    return cell_kernels(layer.cell) if gate_names(layer) else None


def cell_kernels(cell: layers.Layer) -> LayerKernel | None:
    """The two kernels of a cell with gates side by side; None if it is none."""
    kernels = [
        (variable, KernelAxes.resolve("keras_initx", variable.shape))
        for variable in (getattr(cell, name, None) for name in _CELL_KERNELS)
        if isinstance(variable, keras.Variable)
    ]
    if len(kernels) < len(_CELL_KERNELS):
        return None
    (kernel, axes), recurrent = kernels
    # A cell of convolutions counts filters.
    units = getattr(cell, "units", getattr(cell, "filters", None)) or kernel.shape[-1]
    blocks, rest = divmod(kernel.shape[-1], units)
    return LayerKernel(
        kernel,
        axes,
        others=(recurrent,),
        is_known=False,
        blocks=1 if rest else blocks,
    )


def has_orthogonal_gates(recurrent_kernel: keras.Variable, gates: int) -> bool:
    """Whether each gate is a number times an orthogonal matrix, such as I."""
    parts = np.split(_weight(recurrent_kernel), gates, axis=-1)
    for part in parts:
        gram = part.T @ part
        scale = float(np.mean(np.diag(gram)))
        if not np.abs(gram - scale * np.eye(len(gram))).max() <= _ROUNDING * scale:
            return False
    return True


def steps_of(call: LayerCall) -> Steps:
    """The steps of a call of a recurrent layer with known gates.

    The layer runs once more, in inference mode.
    """
    layer, cell = call.layer, call.layer.cell
    arguments = arguments_of(call)
    initial = arguments.get("initial_state")
    if initial is None:
        batch = arguments["sequences"].shape[0]
        initial = layer.get_initial_state(batch_size=batch)
    # With a mask, the state of a hidden step is that of the step before it.
    shown = {"return_sequences": True, "return_state": False, "stateful": False}
    with _attributes(layer, **shown, zero_output_for_mask=False):
        outputs = type(layer).call(
            layer, **{**arguments, "initial_state": initial, "training": False}
        )
    inputs, mask = arguments["sequences"], arguments.get("mask")
    if layer.go_backwards:
        inputs = ops.flip(inputs, axis=1)
        mask = None if mask is None else ops.flip(mask, axis=1)
    states = _float32(outputs)
    first = initial[0] if isinstance(initial, list | tuple) else initial
    before = np.concatenate([_float32(first)[:, None], states[:, :-1]], axis=1)
    # What overflows in the layer overflows here.
    with np.errstate(all="ignore"):
        pre_activations, bias = _pre_activations(cell, _float32(inputs), before)
    return Steps(
        states=states,
        pre_activations=pre_activations,
        bias=bias,
        gates=gates_of(cell, pre_activations),
        mask=None if mask is None else ops.convert_to_numpy(mask).astype(bool),
    )


def arguments_of(call: LayerCall) -> dict[str, Any]:
    """The arguments of a call of a recurrent layer, by their names."""
    signature = inspect.signature(type(call.layer).call)
    bound = signature.bind(call.layer, *call.args, **call.kwargs).arguments
    arguments = {name: bound[name] for name in bound if name != "self"}
    if arguments.get("mask") is None:
        arguments["mask"] = call.mask
    return arguments


def _pre_activations(
    cell: layers.Layer, inputs: np.ndarray, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pre-activations of all gates, and their bias.

    Args:
        cell: keras.layers.Layer.
        inputs: array of shape `(batch, steps, features)`.
        states: array of shape `(batch, steps, units)`. The state before each step.
    """
    kernel, recurrent_kernel = _weight(cell.kernel), _weight(cell.recurrent_kernel)
    bias = np.zeros(kernel.shape[-1:], "float32")
    if cell.use_bias:
        bias = _weight(cell.bias)
    if not isinstance(cell, layers.GRUCell):
        return inputs @ kernel + states @ recurrent_kernel + bias, bias
    input_bias, recurrent_bias = bias if bias.ndim == 2 else (bias, 0 * bias)
    two = 2 * cell.units
    result = inputs @ kernel + input_bias
    result[..., :two] += states @ recurrent_kernel[:, :two] + recurrent_bias[:two]
    reset = _applied(cell.recurrent_activation, result[..., cell.units : two])
    if cell.reset_after:
        candidate = states @ recurrent_kernel[:, two:] + recurrent_bias[two:]
        result[..., two:] += reset * candidate
    else:
        result[..., two:] += (reset * states) @ recurrent_kernel[:, two:]
    recurrent_bias = np.concatenate([recurrent_bias[:two], 0 * recurrent_bias[two:]])
    return result, input_bias + recurrent_bias


def gates_of(cell: layers.Layer, pre_activations: np.ndarray) -> dict[str, np.ndarray]:
    """The values of the gates that open and shut, by their pre-activations."""
    names = _GATES[type(cell)]
    parts = np.split(pre_activations, len(names), axis=-1)
    return {
        name: _applied(cell.recurrent_activation, part)
        for name, part in zip(names, parts, strict=True)
        if name not in _NEW_VALUES
    }


def _applied(function: Any, array: np.ndarray) -> np.ndarray:
    return _float32(function(ops.convert_to_tensor(array)))


def _weight(variable: Any) -> np.ndarray:
    return _float32(stored(variable))


def _float32(tensor: Any) -> np.ndarray:
    return as_array(tensor).astype("float32", copy=False)


@contextlib.contextmanager
def _attributes(layer: layers.Layer, **values: Any) -> Iterator[None]:
    """A context in which the attributes of a layer are these."""
    before = {name: getattr(layer, name) for name in values}
    try:
        for name, value in values.items():
            setattr(layer, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(layer, name, value)
