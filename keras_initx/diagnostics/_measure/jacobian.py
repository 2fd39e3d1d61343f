"""The singular values of the Jacobian from a model's inputs to its outputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx import _validate
from keras_initx._backend.gradients import pullback
from keras_initx._model.interrupts import allow_interrupts
from keras_initx._model.tensors import as_array, is_float_tensor
from keras_initx._model.trace import trace
from keras_initx._report.table import number
from keras_initx.diagnostics._measure.quiet_observer import QuietObserver

# Each output number costs a backward pass.
_MOST_OUTPUTS = 1024


@dataclasses.dataclass(frozen=True)
class Jacobian:
    """The Jacobian of the first sample.

    Attributes:
        shape: tuple of int. The numbers that go out, and those that come in.
        singular_values: tuple of float. The larger first.
    """

    shape: tuple[int, int]
    singular_values: tuple[float, ...]

    @property
    def largest(self) -> float:
        """The largest singular value."""
        return self.singular_values[0]

    @property
    def smallest(self) -> float:
        """The smallest one."""
        return self.singular_values[-1]

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return (
            f"Jacobian of the first sample, {self.shape[0]} x {self.shape[1]}: "
            f"singular values from {number(self.smallest)} to {number(self.largest)}."
        )


def jacobian_of(
    model: keras.layers.Layer, batch: Any, training: bool, is_alone: bool
) -> Jacobian:
    """The exact singular values, by one vector-Jacobian product for each output.

    Args:
        model: keras.layers.Layer.
        batch: What the model is called with.
        training: bool. Whether it is called as in training.
        is_alone: bool. Whether the first sample does not depend on the others, which
            are then left out.
    """
    if is_alone:
        batch = keras.tree.map_structure(
            lambda leaf: None if leaf is None else leaf[:1], batch
        )
    function, arguments = _function_of_floats(model, batch, training)
    matrix = _matrix_of(function, arguments)
    values = np.full(min(matrix.shape), np.nan)
    if np.isfinite(matrix).all():
        values = np.linalg.svd(matrix, compute_uv=False)
    return Jacobian(
        (matrix.shape[0], matrix.shape[1]), tuple(float(value) for value in values)
    )


def _function_of_floats(
    model: keras.layers.Layer, batch: Any, training: bool
) -> tuple[Callable[..., Any], list[Any]]:
    """The outputs of the first sample, as a function of the inputs of floats; these."""
    leaves = [
        leaf if leaf is None else ops.convert_to_tensor(leaf)
        for leaf in keras.tree.flatten(batch)
    ]
    places = [place for place, leaf in enumerate(leaves) if is_float_tensor(leaf)]
    if not places:
        raise _validate.error(
            "signal_report",
            "inputs of floats where `jacobian=True`",
            "inputs of integers only",
            "Leave `jacobian` out, or pass the part of the model after its embedding.",
        )

    def outputs_of(*arguments: Any) -> Any:
        for place, argument in zip(places, arguments, strict=True):
            leaves[place] = argument
        inputs = keras.tree.pack_sequence_as(batch, leaves)
        with keras.StatelessScope():
            output = trace(
                model,
                inputs,
                QuietObserver(),
                training=training,
                is_differentiated=True,
            )
        return ops.concatenate(
            [
                ops.cast(ops.reshape(leaf[0], (-1,)), "float32")
                for leaf in keras.tree.flatten(output)
            ]
        )

    return outputs_of, [leaves[place] for place in places]


def _matrix_of(function: Callable[..., Any], arguments: list[Any]) -> np.ndarray:
    """The Jacobian at the first sample, one backward pass for each row."""
    value, product = pullback(function, arguments)
    size = value.shape[0]
    if size > _MOST_OUTPUTS:
        raise _validate.error(
            "signal_report",
            f"at most {_MOST_OUTPUTS} outputs for each sample where `jacobian=True`",
            f"a model of {size} outputs",
            "Leave `jacobian` out, or pass a part of the model.",
        )
    with allow_interrupts():
        rows = [
            np.concatenate([np.ravel(as_array(part)[0]) for part in product(direction)])
            for direction in np.eye(size, dtype="float32")
        ]
    return np.array(rows, "float64")
