"""New kernels, mirrored by what stands before and after their layer."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx import _validate
from keras_initx._backend.global_seeds import set_global_seeds
from keras_initx._backend.seeds import folded
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.mirrors import Mirror, mirrored
from keras_initx._kernel.with_axes import with_axes
from keras_initx._model.changes import Changes
from keras_initx._model.convolutions import DEPTHWISE, SEPARABLE
from keras_initx._model.interrupts import allow_interrupts
from keras_initx._model.layer_tree import label
from keras_initx._model.redraw import dtype_of
from keras_initx.schemes._looks_linear.input_pairs import Pairs, input_places
from keras_initx.schemes._looks_linear.mirror_report import MirrorRow
from keras_initx.schemes._looks_linear.rectifier_roles import OWNER, Role
from keras_initx.schemes._looks_linear.samples import Values


class MirroredDraws:
    """Draws the kernels of layers, and keeps a row of each.

    Args:
        base: What draws the half of a kernel.
        seed: int.
        paths: dict. The places of layers in the model, by their identities.
        changes: Changes. What is written goes through it.

    Attributes:
        rows: list of MirrorRow.
    """

    def __init__(
        self, base: Any, seed: int, paths: dict[int, str], changes: Changes
    ) -> None:
        self._base = base
        self._seed = seed
        self._paths = paths
        self._changes = changes
        self.rows: list[MirrorRow] = []

    def leave_alone(self, role: Role, reason: str) -> None:
        """A row for a layer that keeps its kernels."""
        path = label(role.layer)
        if all(row.path != path for row in self.rows):
            self.rows.append(MirrorRow(path, note=f"left alone: {reason}"))

    def __call__(self, role: Role, pairs: Pairs | None, values: Values) -> None:
        """Gives a layer its kernels, whose inputs stand in these pairs."""
        row = MirrorRow(label(role.layer), period=None if pairs is None else pairs.run)
        if isinstance(role.layer, DEPTHWISE):
            self._depthwise(role, pairs, values, row)
        else:
            self._plain(role, pairs, row)
        bias = role.described.bias
        if role.is_mirrored and bias is not None and bias.trainable:
            self._changes.assign(bias, np.zeros(bias.shape))
        self.rows.append(row)

    def _plain(self, role: Role, pairs: Pairs | None, row: MirrorRow) -> None:
        """A kernel that sums over its inputs, and for separable ones the one before."""
        axes, mirrors = role.described.axes, []
        kernel_axis = None if pairs is None else pairs.kernel_axis
        run = 0 if pairs is None else pairs.run
        if isinstance(role.layer, SEPARABLE):
            depthwise, own = role.described.others[0]
            copies = [] if pairs is None else [Mirror(pairs.kernel_axis, run, 1)]
            self._assign(role, depthwise, own, copies)
            kernel_axis, run = axes.input[-1], run * depthwise.shape[-1]
        if pairs is not None and kernel_axis is not None:
            mirrors.append(Mirror(kernel_axis, run))
        if role.is_mirrored:
            run = _output_run(role)
            mirrors.append(Mirror(axes.output[-1], run))
            row.groups = role.groups
        names = {(True, True): "both", (True, False): "input", (False, True): "output"}
        row.mirror = names.get((pairs is not None, role.is_mirrored), "none")
        factor = 1.0
        if pairs is not None and role.factors != {1.0}:
            factor, row.note = _undone(role.factors)
        self._assign(role, role.described.kernel, axes, mirrors, factor)

    def _depthwise(
        self, role: Role, pairs: Pairs | None, values: Values, row: MirrorRow
    ) -> None:
        """A kernel that keeps channels apart: equal halves of it keep the pairs."""
        kernel, axes = role.described.kernel, role.described.axes
        ((place, axis),) = input_places(role)
        mirrors: list[Mirror] = []
        if pairs is not None and role.is_mirrored:
            raise _validate.error(
                OWNER,
                "no depthwise convolution between two rectifiers, as it has one input "
                "of each pair only",
                f"{label(role.layer)} ({type(role.layer).__name__})",
                "Remove the activation before it or after it, or use a convolution "
                "with all channels.",
            )
        run = pairs.run if pairs is not None else _run_of_inputs(role, values, axis)
        if run:
            mirrors, row.mirror, row.period = [Mirror(place, run, 1)], "copied", run
        elif role.is_mirrored:
            multiplier = kernel.shape[-1]
            if multiplier % 2:
                raise _odd(role, f"depth_multiplier={multiplier}")
            mirrors, row.mirror = [Mirror(kernel.ndim - 1, multiplier)], "output"
            row.groups = kernel.shape[-2]
        self._assign(role, kernel, axes, mirrors)

    def _assign(
        self,
        role: Role,
        variable: keras.Variable,
        axes: KernelAxes,
        mirrors: list[Mirror],
        factor: float = 1.0,
    ) -> None:
        path = self._paths.get(id(role.layer), role.layer.path)
        seed = folded(self._seed, f"{path}/{variable.name}")
        dtype = "float64" if dtype_of(variable) == "float64" else "float32"

        def half(axes: KernelAxes) -> Any:
            with allow_interrupts():
                set_global_seeds(seed)
                return with_axes(self._base, axes, seed)(axes.shape, dtype=dtype)

        kernel = mirrored(half, axes, mirrors, dtype) * np.asarray(factor, dtype)
        kernel = ops.convert_to_tensor(kernel, dtype_of(variable))
        self._changes.assign(variable, kernel)


def _output_run(role: Role) -> int:
    """How many neighbouring outputs are mirrored in halves."""
    axes = role.described.axes
    units = axes.shape[axes.output[-1]] if axes.output else 1
    if units % (2 * role.groups):
        raise _odd(role, f"{units} units")
    return units // role.groups


def _run_of_inputs(role: Role, values: Values, axis: int) -> int:
    """The run if the inputs are mirrored pre-activations, each with its negative."""
    size = values.shape[axis]
    if not role.is_mirrored or size % (2 * role.groups):
        return 0
    run = size // role.groups
    return run if values.is_mirrored(axis, run) else 0


def _undone(factors: set[float]) -> tuple[float, str]:
    """What undoes the c of the rectifiers before a kernel, and a note."""
    if len(factors) > 1:
        return 1.0, "rectifiers with several slopes before it"
    (factor,) = factors or {1.0}
    return 1 / factor, f"divided by {factor:.4g}" if factor != 1 else ""


def _odd(role: Role, received: str) -> ValueError:
    each = f" in each of {role.groups} groups" if role.groups > 1 else ""
    return _validate.error(
        OWNER,
        f"an even number of units{each} before a rectifier other than `CReLU`",
        f"{label(role.layer)} ({type(role.layer).__name__}) with {received}",
        "Double the units, or use `CReLU` and no activation.",
    )
