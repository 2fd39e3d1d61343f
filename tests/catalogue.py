"""One table of classes: each contract test runs for each row.

A new initializer is one file in `keras_initx/initializers/` and one `Row` here. What a
test does with a row follows from the row: whether it is random, whether it reads axes,
and which ranks it fills.
"""

import dataclasses
import importlib
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
from keras_initx._kernel.random import normal
from keras_initx.initializers._base.axes_initializer import AxesInitializer
from keras_initx.initializers._base.plain_initializer import (
    PlainInitializer,
    SeededInitializer,
)

BACKEND = keras.backend.backend()

# The float dtypes besides float32. JAX has no float64 unless it is told so.
OTHER_DTYPES = ("float16", "bfloat16", *(() if BACKEND == "jax" else ("float64",)))

# Vectors; and (*kernel_size, in_channels, out_channels): wide, tall, and with a
# receptive field.
SHAPES = ((6,), (4, 6), (6, 4), (3, 4, 6), (2, 3, 4, 6), (1, 2, 3, 4, 6))
SHORT_SHAPE = (4, 6)
# Every argument of a row fills this one.
LONG_SHAPE = (3, 4, 6)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A tensor that a class cannot fill, and the whole text of its error."""

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
    # The ranks of what it fills: 1 is a bias.
    ranks: tuple[int, ...] = (2, 3, 4, 5)
    # Whether it draws random numbers, and so has a seed.
    is_random: bool = True
    # Whether a kernel whose axes stand in another order is the same one, transposed.
    follows_its_axes: bool = True
    # Whether its numbers are Keras's own, those of a base, unless told otherwise.
    draws_as_keras: bool = False
    # Arguments that are initializers themselves, and stand as dicts in the config.
    initializer_arguments: tuple[str, ...] = ()
    # Arguments without a default, which every instance in the tests gets.
    required: dict[str, Any] = dataclasses.field(default_factory=dict)
    # The shapes that it fills, if these are not all of its ranks.
    only_shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def name(self) -> str:
        """The name that Keras writes into files, without the package."""
        return self.cls.__name__

    @property
    def has_axes(self) -> bool:
        """Whether it reads a kernel by its axes."""
        return issubclass(self.cls, AxesInitializer)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes that it fills, those of the lowest rank first."""
        if self.only_shapes:
            return self.only_shapes
        return tuple(shape for shape in SHAPES if len(shape) in self.ranks)

    @property
    def short_shape(self) -> tuple[int, ...]:
        """The shape for tests that need any."""
        return SHORT_SHAPE if SHORT_SHAPE in self.shapes else self.shapes[0]

    @property
    def long_shape(self) -> tuple[int, ...]:
        """A shape that every argument of the row fills."""
        return LONG_SHAPE if LONG_SHAPE in self.shapes else self.shapes[0]

    @property
    def all_refusals(self) -> tuple[Refusal, ...]:
        """The refusals of the class and of its family."""
        return (*self.refusals, *(refusals_of_axes(self.name) if self.has_axes else ()))

    @property
    def fills_any_kernel(self) -> bool:
        """Whether it fills each kernel of each layer."""
        return 2 in self.ranks and not self.only_shapes

    def make(self, **arguments: Any) -> Any:
        """An initializer with these arguments."""
        return self.cls(**{**self.required, **arguments})

    def typical(self, **arguments: Any) -> Any:
        """An initializer with the first set of arguments."""
        return self.make(**{**self.arguments[0], **arguments})

    def fixed(self, seed: Any = 1) -> Any:
        """The same, from this seed if it draws random numbers."""
        return self.typical(seed=seed) if self.is_random else self.typical()


AXES = {"input_axes": [-1], "output_axes": [-2], "batch_axes": [0]}
# What the defaults mean, for classes that do not fill a transposed kernel.
PLAIN_AXES = {"input_axes": [0], "output_axes": [1], "batch_axes": []}


def refusals_of_axes(name: str) -> tuple[Refusal, ...]:
    """What every class that reads axes refuses."""
    no_kernel = (
        f"`{name}` needs a kernel, with an axis of inputs and an axis of outputs. "
        "Received: shape={shape} of rank {rank}. It is not for biases: give them "
        "another initializer, for example `bias_initializer='zeros'`."
    )
    return (
        Refusal({}, (), no_kernel.format(shape=(), rank=0)),
        Refusal({}, (5,), no_kernel.format(shape=(5,), rank=1)),
        Refusal(
            {"input_axes": [-1]},
            (4, 6),
            f"`{name}` needs different `input_axes` and `output_axes`. Received: "
            "input_axes=[-1], output_axes=None, shape=(4, 6), where axis 1 is both. "
            "The defaults are [-2] and [-1]: give both lists if one changes.",
        ),
        Refusal(
            {"output_axes": [1, -1]},
            (4, 6),
            f"`{name}` needs each axis once in `output_axes`. Received: "
            "output_axes=[1, -1], shape=(4, 6). Remove the repeated axis; -1 is the "
            "last one.",
        ),
    )


# An array, and an initializer that is saved by the hash of another one.
ARRAY = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
HELD = initializers.FromArray(ARRAY + 1, store="hash")

CATALOGUE = (
    Row(
        initializers.HaarOrthogonal,
        ids=("haar_orthogonal",),
        arguments=(
            {"gain": 0.5, "groups": 2},
            {"gain": "gelu", "image_size": 7},
            {"scale": "variance", "strides": 2},
            {"seed": 3, **AXES},
        ),
        refusals=(
            Refusal(
                {"image_size": [8, 8]},
                (3, 4, 6),
                "`HaarOrthogonal` needs one number in `image_size` for each of 1 "
                "spatial axes. Received: image_size=[8, 8], shape=(3, 4, 6). Pass one "
                "integer, or a list as long as the kernel size.",
            ),
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
            {"scale": "variance", "strides": 2},
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
        arguments=(
            {"gain": 0.5, "groups": 2},
            {"gain": "gelu", "image_size": [7]},
            {"scale": "variance", "strides": 2},
            {"seed": 3, **AXES},
        ),
        refusals=(
            Refusal(
                {"image_size": [8, 8]},
                (3, 4, 6),
                "`ConvolutionOrthogonal` needs one number in `image_size` for each of "
                "1 spatial axes. Received: image_size=[8, 8], shape=(3, 4, 6). Pass "
                "one integer, or a list as long as the kernel size.",
            ),
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
            {"groups": 3, "period": 2},
            {"base": keras.initializers.GlorotUniform(seed=5), "mirror": "output"},
            {"seed": 3, **AXES},
        ),
        refusals=(
            Refusal(
                {},
                (3, 6),
                "`LooksLinear` needs an even size of each mirrored axis "
                "(mirror='input'). Received: shape=(3, 6), where axis 0 has size 3. "
                "Use an even number of channels. Use `base` itself if the layer's "
                "inputs and outputs are not doubled.",
            ),
            Refusal(
                {"mirror": "both"},
                (2, 4, 5),
                "`LooksLinear` needs an even size of each mirrored axis "
                "(mirror='both'). Received: shape=(2, 4, 5), where axis 2 has size 5. "
                "Use an even number of channels. Use `base` itself if the layer's "
                "inputs and outputs are not doubled.",
            ),
            Refusal(
                {"mirror": "output", "groups": 2},
                (4, 6),
                "`LooksLinear` needs an even size of each mirrored axis in each of 2 "
                "groups (mirror='output'). Received: shape=(4, 6), where axis 1 has "
                "size 6. Use an even number of channels. Use `base` itself if the "
                "layer's inputs and outputs are not doubled.",
            ),
            Refusal(
                {"mirror": "both", "batch_axes": [-2]},
                (3, 3, 4, 2),
                "`LooksLinear` needs a kernel with axes to mirror (mirror='both'). "
                "Received: shape=(3, 3, 4, 2), which has the input axes (), the output "
                "axes (3,) and the batch axes (2,). A depthwise convolution takes "
                "mirror='input', which makes the kernels of both halves equal, or "
                "`base` itself.",
            ),
            Refusal(
                {"period": 4},
                (6, 3),
                "`LooksLinear` needs a number of inputs that is a multiple of "
                "`period`. Received: period=4, shape=(6, 3), where axis 0 has size 6. "
                "Pass the number of channels that `CReLU` returns before `Flatten`.",
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
            {"activation": "gelu", "exact": True, "q": 2.0},
            {"seed": 3, **AXES},
        ),
        follows_its_axes=False,
    ),
    Row(
        initializers.FanScaled,
        ids=("fan_scaled",),
        arguments=(
            {"scale": 2.0, "mode": "fan_avg", "distribution": "normal"},
            {"mode": "spectral", "distribution": "uniform", "gain": 0.5},
            {"gain": "gelu", "groups": 2, "strides": 4},
            {"image_size": [7]},
            {"seed": 3, **AXES},
        ),
        follows_its_axes=False,
        refusals=(
            Refusal(
                {"image_size": [8, 8]},
                (3, 4, 6),
                "`FanScaled` needs one number in `image_size` for each of 1 spatial "
                "axes. Received: image_size=[8, 8], shape=(3, 4, 6). Pass one integer, "
                "or a list as long as the kernel size.",
            ),
            Refusal(
                {"groups": 4},
                (3, 4, 6),
                "`FanScaled` needs `groups` to divide the number of output channels. "
                "Received: groups=4, shape=(3, 4, 6) with 6 output channels. Pass the "
                "`groups` of the convolution.",
            ),
        ),
    ),
    Row(
        initializers.ICNR,
        ids=("icnr",),
        initializer_arguments=("base",),
        ranks=(3, 4, 5),
        only_shapes=((3, 4, 6), (2, 3, 4, 8), (1, 2, 3, 4, 8)),
        arguments=(
            {"base": "random_walk"},
            {"scale": 3, "method": "pixel_shuffle", "groups": 2},
            {"scale": [3], "method": "conv_transpose"},
            {"seed": 3, **PLAIN_AXES},
        ),
        follows_its_axes=False,
        draws_as_keras=True,
        refusals=(
            Refusal(
                {},
                (4, 6),
                "`ICNR` needs a kernel with spatial axes and one axis of outputs. "
                "Received: shape=(4, 6) with the spatial axes () and the output axes "
                "(1,). For a dense layer pass a `scale` for each axis of the image, "
                "for example [2, 2].",
            ),
            Refusal(
                {},
                (3, 3, 4, 6),
                "`ICNR` needs a number of output channels that is a multiple of 4. "
                "Received: shape=(3, 3, 4, 6) with 6 output channels, scale=2, "
                "groups=1. Each channel needs one output for each of its sub-pixels.",
            ),
            Refusal(
                {"scale": [2, 2]},
                (3, 4, 8),
                "`ICNR` needs one number in `scale` for each of 1 spatial axes. "
                "Received: scale=[2, 2], shape=(3, 4, 8). Pass one integer, or a list "
                "as long as the kernel size.",
            ),
            Refusal(
                {"groups": 2},
                (3, 4, 8),
                "`ICNR` needs method='pixel_shuffle' in a grouped or depthwise "
                "convolution. Received: method='depth_to_space', groups=2, "
                "batch_axes=None. Otherwise the sub-pixels of one channel would be in "
                "several groups, which have different inputs.",
            ),
            Refusal(
                {"method": "conv_transpose"},
                (3, 4, 8),
                "`ICNR` needs a kernel size that is a multiple of `scale`, which are "
                "the strides. Received: shape=(3, 4, 8) with the spatial sizes (3,), "
                "scale=2. Take a kernel size of one or two times the strides.",
            ),
        ),
    ),
    Row(
        initializers.Bilinear,
        ids=("bilinear",),
        ranks=(3, 4, 5),
        only_shapes=((4, 4, 6), (4, 5, 4, 6), (5, 4, 5, 4, 6)),
        arguments=({"scale": 2}, {"scale": [1]}, AXES),
        follows_its_axes=False,
        is_random=False,
        refusals=(
            Refusal(
                {},
                (3, 4, 6),
                "`Bilinear` needs the `scale` of a kernel that has not the usual size "
                "for any strides. Received: scale=None, shape=(3, 4, 6) with the "
                "spatial sizes (3,). Pass the strides of the layer as `scale`.",
            ),
            Refusal(
                {"scale": 2},
                (4, 3, 4, 6),
                "`Bilinear` needs a kernel size of at least 2 * strides, or 2 * "
                "strides - 1 for odd strides. Received: shape=(4, 3, 4, 6) with the "
                "spatial sizes (4, 3), scale=2. Take a larger kernel.",
            ),
            Refusal(
                {"scale": [2]},
                (4, 4, 4, 6),
                "`Bilinear` needs one number in `scale` for each of 2 spatial axes. "
                "Received: scale=[2], shape=(4, 4, 4, 6). Pass one integer, or a list "
                "as long as the kernel size.",
            ),
        ),
    ),
    Row(
        initializers.Dirac,
        ids=("dirac",),
        arguments=(
            {"groups": 2, "padding": "causal"},
            {"tap": 0, "padding": "valid"},
            {"tap": [1]},
            PLAIN_AXES,
        ),
        follows_its_axes=False,
        is_random=False,
        refusals=(
            Refusal(
                {"tap": 3},
                (5, 3, 4, 6),
                "`Dirac` needs a `tap` of the kernel for each spatial axis, from 0. "
                "Received: tap=3, shape=(5, 3, 4, 6) with the spatial sizes (5, 3). "
                "Pass None for the tap of the pixel itself.",
            ),
            Refusal(
                {"tap": [1, 1]},
                (3, 4, 6),
                "`Dirac` needs a `tap` of the kernel for each spatial axis, from 0. "
                "Received: tap=[1, 1], shape=(3, 4, 6) with the spatial sizes (3,). "
                "Pass None for the tap of the pixel itself.",
            ),
            Refusal(
                {"groups": 4},
                (3, 4, 6),
                "`Dirac` needs `groups` to divide the number of output channels. "
                "Received: groups=4, shape=(3, 4, 6) with 6 output channels. Pass the "
                "`groups` of the convolution.",
            ),
        ),
    ),
    Row(
        initializers.Siren,
        ids=("siren",),
        arguments=({"omega": 10.0}, {"first": True}, {"seed": 3, **AXES}),
        follows_its_axes=False,
    ),
    Row(
        initializers.ZerO,
        ids=("zero_hadamard",),
        arguments=({"groups": 2}, AXES),
        is_random=False,
        refusals=(
            Refusal(
                {"groups": 4},
                (3, 4, 6),
                "`ZerO` needs `groups` to divide the number of output channels. "
                "Received: groups=4, shape=(3, 4, 6) with 6 output channels. Pass the "
                "`groups` of the convolution.",
            ),
        ),
    ),
    Row(
        initializers.FromArray,
        ids=(),
        required={"array": initializers.FromArray(ARRAY).get_config()["array"]},
        arguments=(HELD.get_config(),),
        ranks=(3,),
        only_shapes=((3, 4, 6),),
        is_random=False,
        refusals=(
            Refusal(
                {},
                (4, 6),
                "`FromArray` needs a weight with the shape of its array, (3, 4, 6). "
                "Received: shape=(4, 6). Pass an array of the shape of the weight.",
            ),
        ),
    ),
    Row(
        initializers.TorchBias,
        ids=(),
        required={"fan_in": 16},
        arguments=({"fan_in": 9}, {"seed": 3}),
        ranks=(1, 2, 3, 4, 5),
    ),
    Row(
        initializers.FixupScaled,
        ids=(),
        initializer_arguments=("base",),
        arguments=(
            {
                "num_branches": 16,
                "branch_depth": 3,
                "base": {"class_name": "sparse", "config": {"connections": 1}},
                "groups": 2,
            },
            {"base": "he_normal"},
            {"seed": 3, **AXES},
        ),
        follows_its_axes=False,
        draws_as_keras=True,
    ),
    Row(
        initializers.TFixupScaled,
        ids=(),
        initializer_arguments=("base",),
        arguments=(
            {"num_layers": 6, "stack": "decoder", "base": "random_walk"},
            {"part": "embedding"},
            {"seed": 3, "groups": 2},
            AXES,
        ),
        follows_its_axes=False,
        draws_as_keras=True,
    ),
    Row(
        initializers.DepthScaled,
        ids=(),
        initializer_arguments=("base",),
        arguments=(
            {"num_layers": 6, "rule": "deepnorm", "base": "random_walk"},
            {"rule": "complete_p", "groups": 2},
            {"seed": 3, **AXES},
        ),
        follows_its_axes=False,
        draws_as_keras=True,
    ),
    Row(
        initializers.Blockwise,
        ids=(),
        initializer_arguments=("initializer",),
        arguments=(
            {
                "blocks": 2,
                "initializer": {"class_name": "sparse", "config": {"connections": 1}},
            },
            {"blocks": 4, "axis": -2},
            {"initializer": keras.initializers.GlorotUniform(seed=5)},
            {"seed": 3, "blocks": 2, **PLAIN_AXES},
        ),
        only_shapes=((4, 8), (4, 4), (3, 4, 8), (2, 3, 4, 8), (1, 2, 3, 4, 8)),
        follows_its_axes=False,
        refusals=(
            Refusal(
                {},
                (4, 6),
                "`Blockwise` needs a recurrent kernel of shape (*kernel_size, "
                "units, gates * units). Received: shape=(4, 6). Pass it as "
                "`recurrent_initializer`; for other kernels pass `blocks` to "
                "`Blockwise`.",
            ),
            Refusal(
                {"axis": -2},
                (4, 8),
                "`Blockwise` needs a recurrent kernel of shape (*kernel_size, "
                "units, gates * units). Received: shape=(4, 8) and axis=-2. Pass it as "
                "`recurrent_initializer`; for other kernels pass `blocks` to "
                "`Blockwise`.",
            ),
            Refusal(
                {"blocks": 3},
                (4, 8),
                "`Blockwise` needs a size of axis -1 that is a multiple of `blocks`=3. "
                "Received: shape=(4, 8), where it is 8. Pass the number of equal "
                "blocks side by side.",
            ),
            Refusal(
                {"blocks": 2, "axis": 2},
                (4, 8),
                "`Blockwise` needs a tensor that has the axis 2. Received: shape=(4, "
                "8) of rank 2. Pass another `axis`, for example -1.",
            ),
        ),
    ),
    Row(
        initializers.GateOrthogonal,
        ids=("gate_orthogonal",),
        arguments=({"gain": 0.5}, {"gain": "gelu"}, {"seed": 3, **PLAIN_AXES}),
        only_shapes=((4, 8), (4, 4), (3, 4, 8), (2, 3, 4, 8), (1, 2, 3, 4, 8)),
        follows_its_axes=False,
        refusals=(
            Refusal(
                {},
                (4, 6),
                "`GateOrthogonal` needs a recurrent kernel of shape (*kernel_size, "
                "units, gates * units). Received: shape=(4, 6). Pass it as "
                "`recurrent_initializer`; for other kernels pass `blocks` to "
                "`Blockwise`.",
            ),
        ),
    ),
    Row(
        initializers.GateIdentity,
        ids=("gate_identity",),
        arguments=({"gain": 0.25}, {"gain": "gelu"}, PLAIN_AXES),
        only_shapes=((4, 8), (4, 4), (3, 4, 8), (2, 3, 4, 8), (1, 2, 3, 4, 8)),
        follows_its_axes=False,
        is_random=False,
        refusals=(
            Refusal(
                {},
                (4, 6),
                "`GateIdentity` needs a recurrent kernel of shape (*kernel_size, "
                "units, gates * units). Received: shape=(4, 6). Pass it as "
                "`recurrent_initializer`; for other kernels pass `blocks` to "
                "`Blockwise`.",
            ),
        ),
    ),
    Row(
        initializers.GateBias,
        ids=(),
        arguments=({"forget": 0.25}, {"layer": "gru"}),
        only_shapes=((12,), (24,)),
        ranks=(1,),
        is_random=False,
        refusals=(
            Refusal(
                {},
                (3, 8),
                "`GateBias` needs the bias of an LSTM, of shape (4 * units,) "
                "(layer='lstm'). Received: shape=(3, 8). Pass it as "
                "`bias_initializer`. An LSTM also needs `unit_forget_bias=False`.",
            ),
            Refusal(
                {},
                (6,),
                "`GateBias` needs the bias of an LSTM, of shape (4 * units,) "
                "(layer='lstm'). Received: shape=(6,). Pass it as "
                "`bias_initializer`. An LSTM also needs `unit_forget_bias=False`.",
            ),
            Refusal(
                {"layer": "gru"},
                (3, 6),
                "`GateBias` needs the bias of a GRU, of shape (3 * units,), or (2, 3 "
                "* units) with `reset_after=True` (layer='gru'). Received: shape=(3, "
                "6). Pass it as `bias_initializer`; for an LSTM with layer='lstm'.",
            ),
        ),
    ),
    Row(
        initializers.ChronoBias,
        ids=(),
        required={"max_timescale": 50.0},
        arguments=({"max_timescale": 9.5}, {"layer": "gru", "seed": 3}),
        only_shapes=((12,), (24,)),
        ranks=(1,),
        refusals=(
            Refusal(
                {},
                (3, 8),
                "`ChronoBias` needs the bias of an LSTM, of shape (4 * units,) "
                "(layer='lstm'). Received: shape=(3, 8). Pass it as "
                "`bias_initializer`. An LSTM also needs `unit_forget_bias=False`.",
            ),
            Refusal(
                {},
                (6,),
                "`ChronoBias` needs the bias of an LSTM, of shape (4 * units,) "
                "(layer='lstm'). Received: shape=(6,). Pass it as "
                "`bias_initializer`. An LSTM also needs `unit_forget_bias=False`.",
            ),
            Refusal(
                {"layer": "gru"},
                (3, 6),
                "`ChronoBias` needs the bias of a GRU, of shape (3 * units,), or (2, 3 "
                "* units) with `reset_after=True` (layer='gru'). Received: shape=(3, "
                "6). Pass it as `bias_initializer`; for an LSTM with layer='lstm'.",
            ),
        ),
    ),
    Row(
        initializers.Unitary,
        ids=("unitary",),
        arguments=({"structured": True}, {"seed": 3}),
        only_shapes=((4, 4), (6, 6)),
        ranks=(2,),
        refusals=tuple(
            Refusal(
                {},
                shape,
                "`Unitary` needs a square kernel of even size, (2 * n, 2 * n), for n "
                f"complex numbers. Received: shape={shape}. Use an even number of "
                "units. For the gates of an LSTM or GRU use `Blockwise('unitary')`, "
                "and 'haar_orthogonal' for other kernels.",
            )
            for shape in ((5, 5), (4, 6), (4,), (2, 4, 4))
        ),
    ),
    Row(
        initializers.SpectralRadius,
        ids=(),
        initializer_arguments=("base",),
        arguments=(
            {"radius": 0.75, "base": "random_walk"},
            {"base": keras.initializers.GlorotUniform(seed=5)},
            {"seed": 3, **PLAIN_AXES},
        ),
        only_shapes=((6, 6), (4, 4)),
        follows_its_axes=False,
        refusals=(
            Refusal(
                {},
                (4, 8),
                "`SpectralRadius` needs a square kernel, with as many inputs as "
                "outputs. Received: shape=(4, 8) with 4 inputs and 8 outputs. Pass it "
                "as `recurrent_initializer` of a `SimpleRNN`. For the gates of an LSTM "
                "or GRU wrap it: `Blockwise(SpectralRadius())`.",
            ),
            Refusal(
                {"base": "zeros"},
                (4, 4),
                "`SpectralRadius` needs a `base` that draws a kernel with an "
                "eigenvalue other than 0. Received: shape=(4, 4), base=Zeros. Take "
                "more connections, or another `base`.",
            ),
        ),
    ),
    Row(
        initializers.PriorBias,
        ids=(),
        required={"probabilities": [0.1, 0.3, 0.6]},
        arguments=(
            {"probabilities": 0.25, "activation": "sigmoid"},
            {"probabilities": [1.5, -2.0, 0.25], "activation": "linear"},
        ),
        only_shapes=((3,),),
        ranks=(1,),
        is_random=False,
        refusals=(
            Refusal(
                {},
                (4, 3),
                "`PriorBias` needs the bias of an output layer, of shape (3,). "
                "Received: shape=(4, 3). Pass it as `bias_initializer` of the last "
                "layer, with one number for each of its outputs.",
            ),
            Refusal(
                {},
                (4,),
                "`PriorBias` needs the bias of an output layer, of shape (3,). "
                "Received: shape=(4,). Pass it as `bias_initializer` of the last "
                "layer, with one number for each of its outputs.",
            ),
        ),
    ),
)


class ExampleRamp(PlainInitializer):
    """Fixed values for a bias: from 0 to `top`."""

    def __init__(self, top: float = 1.0) -> None:
        self.top = float(top)

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 1:
            raise ValueError(f"a ramp is a vector, not {shape}")

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        return np.linspace(0, self.top, shape[0], dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"top": self.top}


class ExampleNoise(SeededInitializer):
    """Random values for a tensor of any rank."""

    def __init__(self, stddev: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.stddev = float(stddev)

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.stddev * normal(shape, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, **super().get_config()}


# What stands on the plain base, without axes. These are not in the package.
EXAMPLES = (
    Row(
        ExampleRamp,
        ids=(),
        arguments=({"top": 0.75},),
        refusals=(Refusal({}, (4, 6), "a ramp is a vector, not (4, 6)"),),
        ranks=(1,),
        is_random=False,
    ),
    Row(
        ExampleNoise,
        ids=(),
        arguments=({"stddev": 0.5}, {"seed": 3}),
        ranks=(1, 2, 3, 4, 5),
    ),
)

# Those that work for each kernel of each layer.
IDS = tuple(
    short_id for row in CATALOGUE if row.fills_any_kernel for short_id in row.ids
)


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


def framework(name: str) -> Any:
    """A framework that Keras need not run on, for tests marked `several_frameworks`.

    One environment of tox has all of them, and says so: there none may be missing.
    """
    if os.environ.get("KERAS_INITX_ALL_FRAMEWORKS") == "1":
        return importlib.import_module(name)
    return pytest.importorskip(name)


def refuses(message: str) -> Any:
    """Expects a ValueError with exactly this text."""
    return pytest.raises(ValueError, match=rf"\A{re.escape(message)}\Z")
