"""The kernels of a layer, each as the matrices that its axes make of it."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from keras_initx._backend import stored
from keras_initx._backend.arithmetic import norm
from keras_initx._keras import (
    embeddings_variable,
    is_of_keras,
    own_trainable_variables,
)
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.interrupts import allow_interrupts
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.laws import law_of
from keras_initx.diagnostics._measure.reach import reach_of
from keras_initx.diagnostics._measure.rows import KernelRow

# A kernel with so few different values is one by design, such as an identity.
_FEW_VALUES = 3


@dataclasses.dataclass
class Kernel:
    """One kernel and its row."""

    variable: keras.Variable
    axes: KernelAxes
    row: KernelRow

    @property
    def matrices(self) -> np.ndarray:
        """`(batch * groups, inputs, outputs)`: independent linear maps."""
        return _matrices(as_array(stored(self.variable)), self.axes)


def kernels_of(layer: keras.layers.Layer) -> list[Kernel]:
    """The kernels that belong to a layer itself, the main one first."""
    described = layer_kernel(layer)
    if described is not None:
        found = [_kernel(*each, is_linear=True) for each in described.kernels[::-1]]
    elif isinstance(layer, keras.layers.RNN):
        # The bias of a GRU is a matrix too.
        weights = [weight for weight in layer.weights if "kernel" in weight.name]
        found = [_recurrent_kernel(layer, weight) for weight in weights]
    elif isinstance(layer, keras.layers.Embedding):
        found = [_kernel(embeddings_variable(layer))]
    elif is_of_keras(layer):
        found = []
    else:
        found = [_kernel(variable) for variable in own_trainable_variables(layer)]
    kernels = [kernel for kernel in found if kernel is not None]
    for kernel in kernels:
        value = as_array(stored(kernel.variable))
        kernel.row.reach = reach_of(layer, value, kernel.axes)
        kernel.row.law = law_of(layer, kernel.variable, kernel.axes)
    return kernels


def bias_rms(layer: keras.layers.Layer) -> float | None:
    """The root mean square of the biases of a layer with a kernel; None without any."""
    described = layer_kernel(layer)
    if described is None or described.bias is None or 0 in described.bias.shape:
        return None
    value = as_array(stored(described.bias))
    return norm(value) / math.sqrt(value.size)


def find_equal(kernels: list[Kernel]) -> None:
    """Notes which kernels equal an earlier one."""
    first: dict[tuple[Any, ...], list[Kernel]] = {}
    for kernel in kernels:
        if kernel.row.has_equal_units or kernel.row.has_equal_inputs:
            continue
        value = as_array(stored(kernel.variable))
        key = (value.shape, value.dtype, value.ravel()[:64].tobytes())
        earlier = first.setdefault(key, [])
        same = next((other for other in earlier if _is_equal(kernel, other)), None)
        if same is None:
            earlier.append(kernel)
        elif same.variable is not kernel.variable:
            if len(np.unique(value)) > _FEW_VALUES:
                kernel.row.equal_to = same.row.path


def _is_equal(kernel: Kernel, other: Kernel) -> bool:
    """Whether two kernels are one variable, or equal bit for bit."""
    if other.variable is kernel.variable:
        return True
    one, two = (as_array(stored(each.variable)) for each in (kernel, other))
    return np.array_equal(one, two)


def add_singular_values(kernels: list[Kernel]) -> None:
    """Fills in the extreme singular values."""
    for kernel in kernels:
        matrices = kernel.matrices.astype("float64")
        values = np.array([np.nan])
        if np.isfinite(matrices).all():
            with allow_interrupts():
                values = np.linalg.svd(matrices, compute_uv=False)
        kernel.row.largest_singular_value = float(values.max())
        kernel.row.smallest_singular_value = float(values.min())


def _kernel(
    variable: keras.Variable,
    axes: KernelAxes | None = None,
    is_linear: bool = False,
    blocks: int = 1,
) -> Kernel | None:
    """A kernel whose axes mean this; None for a variable that is none."""
    is_float = keras.backend.is_float_dtype(variable.dtype)
    if variable.ndim < 2 or 0 in variable.shape or not is_float:
        return None
    axes = axes or KernelAxes.resolve("signal_report", variable.shape)
    kernel = Kernel(variable, axes, KernelRow(variable.path, tuple(variable.shape)))
    if is_linear:
        kernel.row.fan_in = axes.fan_in
        kernel.row.fan_out = axes.fan_out // blocks
    kernel.row.is_trainable = bool(variable.trainable)
    value = as_array(stored(variable))
    kernel.row.norm = norm(value)
    kernel.row.std = _std(value, kernel.row.norm)
    matrices = _matrices(value, axes)
    kernel.row.has_equal_units = _are_equal(matrices)
    kernel.row.has_equal_inputs = _are_equal(matrices.swapaxes(1, 2))
    return kernel


def _recurrent_kernel(
    layer: keras.layers.RNN, variable: keras.Variable
) -> Kernel | None:
    """A kernel of a cell, in which the gates stand side by side."""
    cell = layer.cell
    units = getattr(cell, "units", None) or getattr(cell, "filters", None)
    gates, rest = divmod(variable.shape[-1], units) if units else (1, 0)
    return _kernel(variable, is_linear=True, blocks=1 if rest else max(1, gates))


def _matrices(value: np.ndarray, axes: KernelAxes) -> np.ndarray:
    value = value.transpose(*axes.batch, *axes.spatial, *axes.input, *axes.output)
    batch, inputs = axes.count(axes.batch), axes.fan_in
    value = value.reshape(batch, inputs, axes.groups, -1)
    return value.swapaxes(1, 2).reshape(batch * axes.groups, inputs, -1)


def _std(value: np.ndarray, length: float) -> float:
    """The deviation of an array of this norm, without a copy of it."""
    with np.errstate(all="ignore"):
        mean = float(value.mean(dtype="float32"))
    square = length * length / value.size - mean * mean
    # What is not a number stays so.
    return math.sqrt(max(square, 0.0))


def _are_equal(matrices: np.ndarray) -> bool:
    """Whether each matrix has several columns, and all of them are equal."""
    if matrices.shape[-1] < 2:
        return False
    # Most kernels are done with after two columns.
    first, second = matrices[..., :1], matrices[..., 1:2]
    return bool((first == second).all() and (first == matrices).all())
