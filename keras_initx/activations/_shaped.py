"""Activations that are shaped for the depth of a network."""

import functools
from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._network_map import Network, network_of, target_of_layer
from keras_initx.activations._normal_moments import refuse_jumps
from keras_initx.activations._rectifier_shape import (
    dks_shape,
    dks_slope,
    is_rectifier,
    rectifier_map,
    tat_scale,
)
from keras_initx.activations._root import root
from keras_initx.activations._shape_equations import Shape
from keras_initx.activations._shape_solver import solve
from keras_initx.activations._shaped_activation import ShapedActivation

_OWNER = "shaped"


def shaped(
    activation: Any, depth: Any, method: str = "tat", target: float | None = None
) -> ShapedActivation:
    """Scales and shifts an activation so that a deep plain network trains with it.

        f(x) = output_scale * (activation(input_scale * x + input_shift) + output_shift)

    In a deep network of ReLU all inputs become alike, and in one of tanh signals vanish
    or become chaotic. Residual connections and normalization repair that. So do the
    four numbers here, which are solved for from the depth. With Q the `variance_map`
    of a layer and C its `correlation_map`:

    - `method="tat"`, tailored activation transformation: Q(1) = 1, Q'(1) = 1 and
      C'(1) = 1 in each layer, and C''(1) = `target` in the network, 0.3 by default.
    - `"tat"` with a (leaky) ReLU: the slope below 0 is solved for, so that Q(q) = q,
      C'(1) = 1 and, in the network, C(0) = `target`, 0.9 by default.
    - `method="dks"`, deep kernel shaping: Q(1) = 1, Q'(1) = 1 and C(0) = 0 in each
      layer, and C'(1) = `target` in the network, 1.5 by default. With a (leaky) ReLU
      the slope is solved for here too.

    Up to 12 layers of ReLU have a C(0) below 0.9 by themselves, so the slope is then 0.
    It is also 0 for `"dks"` where ReLU has a smaller C'(1) than asked for.

    The rest of the network must fit:

    - Kernels are orthogonal: `HaarOrthogonal` in dense layers, `OrthogonalDelta` in
      convolutions. Where a layer has more outputs than inputs, they take
      `scale="variance"`. Biases start at 0.
    - The mean square of each input is 1: that of each sample, or of each location of an
      image over its channels.
    - There is no normalization. A residual sum is `w * shortcut + v * branch` with
      `w**2 + v**2 == 1`.

    The gain of the result is 1. Of several solutions, that one is taken which is
    nowhere steeper than 2, if there is one, and whose Q is closest to the identity.

    Examples:
    >>> activation = keras_initx.activations.shaped("leaky_relu", depth=50)
    >>> round(activation.negative_slope, 3)
    0.431
    >>> layer = keras.layers.Dense(
    ...     64, activation=activation, kernel_initializer="haar_orthogonal"
    ... )

    A residual network of 20 blocks, each with two nonlinear layers in its branch:

    >>> def network(c, layer):
    ...     for _ in range(20):
    ...         c = 0.5 * c + 0.5 * layer(layer(c))
    ...     return c
    >>> activation = keras_initx.activations.shaped("tanh", network, method="dks")
    >>> round(keras_initx.activations.gain(activation), 6)
    1.0

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation without weights and jumps. For `"tat"` its slope must have no
            jumps either, unless it is a ReLU or leaky ReLU.
        depth: int, `keras.Model` or callable. The number of nonlinear layers that
            follow one after the other. Of a model whose layers form a chain they are
            counted, without the activation of its last layer. For other networks, a
            function `network(c, layer)` that returns what the network makes of the
            number c, where `layer(c)` is what one nonlinear layer makes of it. A sum
            is the mean weighted with the squares of its weights. If a branch alone
            makes more of c than the whole network does, the larger number counts.
        method: str. `"tat"` or `"dks"`. Defaults to `"tat"`.
        target: float or None. The value for the whole network. Defaults to `None`,
            which means the one given above.

    Returns:
        A `ShapedActivation`.

    Raises:
        ValueError: If there is no solution (none for linear and exponential units, nor
            for GELU in a single layer with `"dks"`), the activation does not fit, the
            layers of the model are no chain, or another argument is out of range.

    Reference:
        Zhang, Botev and Martens 2022, "Deep learning without shortcuts: shaping the
        kernel with tailored rectifiers", appendix B, https://arxiv.org/abs/2203.08120.
        Martens et al. 2021, "Rapid training of deep neural networks without skip
        connections or normalization layers using deep kernel shaping", section "Summary
        of our method", https://arxiv.org/abs/2110.01765.
    """
    _validate.choice(_OWNER, "method", method, ("tat", "dks"))
    f = Elementwise(_OWNER, activation)
    ShapedActivation(activation)
    network = network_of(_OWNER, depth)
    if eagerly(is_rectifier)(f):
        return _shaped_rectifier(network, method, target)
    if method == "tat":
        target = _checked_target(target, 0.3, 0.0)
        local = target_of_layer(network, 0.0, lambda k: lambda x: x + k, target)
    else:
        target = _checked_target(target, 1.5, 1.0)
        local = target_of_layer(network, 1.0, lambda k: lambda x: x * k, target)
    local = _checked_local(local)
    if isinstance(activation, str):
        shape = _shape_of_name(activation, method, local)
    else:
        shape = _shape(f, method, local)
    return ShapedActivation(activation, **shape._asdict())


def _shaped_rectifier(
    network: Network, method: str, target: float | None
) -> ShapedActivation:
    if method == "tat":
        slope = _tat_slope(network, _checked_target(target, 0.9, 0.0, 1.0))
        shape = tat_scale(slope)
    else:
        target = _checked_target(target, 1.5, 1.0)
        above_1 = target_of_layer(network, 1.0, lambda k: lambda x: x * k, target)
        slope = dks_slope(1 + _checked_local(above_1))
        shape = dks_shape(slope)
    return ShapedActivation("leaky_relu", **shape._asdict(), negative_slope=slope)


def _tat_slope(network: Network, target: float) -> float:
    """The slope of leaky ReLU that brings C(0) of the network to the target."""

    def error(slope: float) -> float:
        return target - network(0.0, lambda c: rectifier_map(c, slope))

    at_relu = error(0.0)
    # If ReLU stays below, nothing has to be done.
    return 0.0 if at_relu >= 0 else root(error, (0.0, at_relu), (1.0, target))


@functools.cache
def _shape_of_name(name: str, method: str, local: float) -> Shape:
    return _shape(Elementwise(_OWNER, name), method, local)


@eagerly
def _shape(f: Elementwise, method: str, local: float) -> Shape:
    refuse_jumps(f, 1.0)
    if method == "tat":
        refuse_jumps(_Slope(f), 1.0)
    shape = solve(f, (1, -1) if method == "tat" else (0,), local)
    if shape is None:
        wanted = f"C''(1)={local:.3g}" if method == "tat" else f"C'(1)={1 + local:.5g}"
        raise f.error(
            f"an activation that can be shaped by {method!r} for this depth",
            f", of which each layer would need {wanted}",
            "Pass a larger depth, or another activation, for example 'tanh'.",
        )
    return shape


class _Slope(Elementwise):
    """The slope of an activation, as an activation."""

    def __init__(self, f: Elementwise) -> None:
        self._f = f

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return self._f.derivative(points)

    def derivative(self, points: np.ndarray) -> np.ndarray:
        return self._f.curvature(points)

    def error(self, needs: str, detail: str = "", advice: str = "") -> ValueError:
        return self._f.error(
            "an activation whose slope has no jumps, because of method='tat'",
            advice="Pass 'leaky_relu' or 'tanh', or method='dks'.",
        )


def _checked_target(
    target: float | None, default: float, low: float, high: float | None = None
) -> float:
    if target is None:
        return default
    is_below = high is None or (_validate.is_number(target) and target < high)
    if not (_validate.is_number(target) and target > low and is_below):
        bound = f"above {low:g}" if high is None else f"between {low:g} and {high:g}"
        raise _validate.error(
            _OWNER,
            f"`target` to be a number {bound}",
            f"target={target!r}",
            f"Pass for example {default}, or None.",
        )
    return float(target)


def _checked_local(local: float | None) -> float:
    if local is None:
        raise _validate.error(
            _OWNER,
            "a function `depth` that grows with what its layers add",
            "one that stays below the target",
            "Call the `layer` that it is given.",
        )
    return local
