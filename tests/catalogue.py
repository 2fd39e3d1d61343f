"""One table of classes: each contract test runs for each row.

A new initializer is one file in `keras_initx/initializers/` and one `Row` here.
"""

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from keras_initx import initializers

BACKEND = keras.backend.backend()

# The float dtypes besides float32. JAX has no float64 unless it is told so.
OTHER_DTYPES = ("float16", "bfloat16", *(() if BACKEND == "jax" else ("float64",)))

# (*kernel_size, in_channels, out_channels): wide, tall, and with a receptive field.
SHAPES = ((4, 6), (6, 4), (3, 4, 6), (2, 3, 4, 6), (1, 2, 3, 4, 6))
SHORT_SHAPE = (4, 6)
# Every argument of a row fills this one.
LONG_SHAPE = (3, 4, 6)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A kernel that a class cannot fill, and the whole text of its error."""

    arguments: dict[str, Any]
    shape: tuple[int, ...]
    message: str


@dataclasses.dataclass(frozen=True)
class Row:
    """What the contract tests need to know about one class."""

    cls: type
    ids: tuple[str, ...]
    # Arguments other than the defaults; together the sets name each of them, and with
    # the first one the class does all that it can on four inputs and six outputs.
    arguments: tuple[dict[str, Any], ...]
    refusals: tuple[Refusal, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = SHAPES
    # Whether a kernel whose axes stand in another order is the same one, transposed.
    follows_its_axes: bool = True
    # Arguments that are initializers themselves, and stand as dicts in the config.
    initializer_arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that Keras writes into files, without the package."""
        return self.cls.__name__

    def typical(self, **arguments: Any) -> Any:
        """An initializer with the first set of arguments."""
        return self.cls(**{**self.arguments[0], **arguments})


AXES = {"input_axes": [-1], "output_axes": [-2], "batch_axes": [0]}

CATALOGUE = (
    Row(
        initializers.HaarOrthogonal,
        ids=("haar_orthogonal",),
        arguments=({"gain": 0.5, "groups": 2}, {"gain": "gelu"}, {"seed": 3, **AXES}),
        refusals=(
            Refusal(
                {"groups": 4},
                (4, 6),
                "`HaarOrthogonal` needs `groups` to divide the number of output "
                "channels. Received: groups=4, shape=(4, 6) with 6 output channels. "
                "Pass the `groups` of the convolution.",
            ),
        ),
    ),
    Row(
        initializers.OrthogonalDelta,
        ids=("orthogonal_delta", "delta_orthogonal"),
        arguments=(
            {"gain": 0.5, "groups": 2, "tap": "last"},
            {"gain": "gelu"},
            {"seed": 3, **AXES},
        ),
        refusals=(
            Refusal(
                {"groups": 4},
                (3, 4, 6),
                "`OrthogonalDelta` needs `groups` to divide the number of output "
                "channels. Received: groups=4, shape=(3, 4, 6) with 6 output channels. "
                "Pass the `groups` of the convolution.",
            ),
            Refusal(
                {},
                (1, 1, 1, 1, 4, 6),
                "`OrthogonalDelta` needs a kernel of rank 2 to 5, (*kernel_size, "
                "in_channels, out_channels), with at most three spatial axes. "
                "Received: shape=(1, 1, 1, 1, 4, 6), of which the axes (0, 1, 2, 3) "
                "are spatial. Name the axes that are not spatial by `input_axes`, "
                "`output_axes` or `batch_axes`.",
            ),
        ),
    ),
    Row(
        initializers.ConvolutionOrthogonal,
        ids=("convolution_orthogonal",),
        arguments=({"gain": 0.5, "groups": 2}, {"gain": "gelu"}, {"seed": 3, **AXES}),
        refusals=(
            Refusal(
                {"groups": 4},
                (3, 4, 6),
                "`ConvolutionOrthogonal` needs `groups` to divide the number of output "
                "channels. Received: groups=4, shape=(3, 4, 6) with 6 output channels. "
                "Pass the `groups` of the convolution.",
            ),
            Refusal(
                {},
                (1, 1, 1, 1, 4, 6),
                "`ConvolutionOrthogonal` needs a kernel of rank 2 to 5, (*kernel_size, "
                "in_channels, out_channels), with at most three spatial axes. "
                "Received: shape=(1, 1, 1, 1, 4, 6), of which the axes (0, 1, 2, 3) "
                "are spatial. Name the axes that are not spatial by `input_axes`, "
                "`output_axes` or `batch_axes`.",
            ),
        ),
    ),
    Row(
        initializers.Sparse,
        ids=("sparse",),
        arguments=(
            {"connections": 2, "stddev": 0.5},
            {"connections": 0.25},
            {"seed": 3, **AXES},
        ),
    ),
    Row(
        initializers.LooksLinear,
        ids=("looks_linear",),
        initializer_arguments=("base",),
        arguments=(
            {
                "mirror": "both",
                "base": {"class_name": "sparse", "config": {"connections": 1}},
            },
            {"mirror": "output", "base": "random_walk"},
            {"base": keras.initializers.GlorotUniform(seed=5), "mirror": "output"},
            {"seed": 3, **AXES},
        ),
        refusals=(
            Refusal(
                {},
                (3, 6),
                "`LooksLinear` needs an even size of each mirrored axis "
                "(mirror='input'). Received: shape=(3, 6), where axis 0 has size 3. "
                "Use an even number of channels, or `base` itself where the layer's "
                "inputs and outputs are not doubled.",
            ),
            Refusal(
                {"mirror": "both"},
                (2, 4, 5),
                "`LooksLinear` needs an even size of each mirrored axis "
                "(mirror='both'). Received: shape=(2, 4, 5), where axis 2 has size 5. "
                "Use an even number of channels, or `base` itself where the layer's "
                "inputs and outputs are not doubled.",
            ),
        ),
    ),
    Row(
        initializers.RandomWalk,
        ids=("random_walk",),
        arguments=(
            {"activation": "tanh", "mode": "fan_out"},
            {"gain": 0.5},
            {"gain": "gelu"},
            {"seed": 3, **AXES},
        ),
        follows_its_axes=False,
    ),
)

IDS = tuple(short_id for row in CATALOGUE for short_id in row.ids)


def to_numpy(tensor: Any) -> np.ndarray:
    """The values of a tensor of any float dtype, in float64."""
    return np.asarray(keras.ops.convert_to_numpy(tensor)).astype("float64")


def dtype_of(tensor: Any) -> str:
    """The name of a tensor's dtype, the same on each backend."""
    return keras.backend.standardize_dtype(tensor.dtype)


def matrix(kernel: Any, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Any:
    """A kernel as the matrix from its axes `inputs` to its axes `outputs`."""
    kernel = to_numpy(kernel)
    rows = int(np.prod([kernel.shape[axis] for axis in inputs]))
    return kernel.transpose(*inputs, *outputs).reshape(rows, -1)


def singular_values(kernel: Any) -> np.ndarray:
    """The singular values of a matrix, in float64."""
    return np.linalg.svd(to_numpy(kernel), compute_uv=False)


def run_python(
    script: str, *arguments: str, backend: str = BACKEND
) -> subprocess.CompletedProcess[str]:
    """Runs a script in a process of its own, which imports what it names itself."""
    path = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def traced(function: Callable[[], Any]) -> Any:
    """What the function returns while a program is traced: JAX's, or TensorFlow's."""
    if BACKEND == "jax":
        import jax  # noqa: TID251

        return jax.jit(function)()
    if BACKEND == "tensorflow":
        import tensorflow as tf  # noqa: TID251

        return tf.function(function)()
    pytest.skip("PyTorch does not trace initializers")


def refuses(message: str) -> Any:
    """Expects a ValueError with exactly this text."""
    return pytest.raises(ValueError, match=rf"\A{re.escape(message)}\Z")
