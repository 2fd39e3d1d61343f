"""The gain that an activation needs."""

import functools
import math
from typing import Any

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._unit import Unit, gated_name, unit_of


def gain(activation: Any, backward: bool = False) -> float:
    """Computes the gain that makes up for an activation.

        gain = 1 / sqrt(E[f(z)^2])      backward=False
        gain = 1 / sqrt(E[f'(z)^2])     backward=True

    for z ~ N(0, 1). For ReLU both gains are the square root of 2, He's factor. Each
    initializer of this package that has a `gain` takes the activation itself:
    `gain="gelu"`.

    Kernels of variance `gain^2 / fan_in` keep the mean square of the pre-activations at
    1 from layer to layer. With `backward`, kernels of variance `gain^2 / fan_out` keep
    the mean square of the gradient.

    An orthogonal kernel times `gain` has the variance `gain^2 / max(inputs, outputs)`.
    So it keeps the mean square of the pre-activations if the layer does not have more
    outputs than inputs. Otherwise this becomes `inputs / outputs`, for example 0.125
    from 64 to 512 units. A gain times `sqrt(outputs / inputs)` makes up for it.

    What happens if the mean square is not 1? With tanh, sigmoid, ELU, SELU and softplus
    it goes to 1 with depth. With ReLU it stays as it is. With GELU, SiLU and Mish the
    difference from 1 grows, by 14, 17 and 8 % a layer while it is small. So in deep
    networks of these, some samples vanish and others explode. Scaling whole batches,
    as `lsuv` does, does not change that. Use `LayerNormalization` before each of these
    activations, or `critical_point` with a q at which the variance is stable.

    The integrals have a relative error of 1e-6 or less, also if the activation has
    kinks. They are computed on the running backend and, with `backward`, by its
    automatic differentiation.

    `torch.nn.init.calculate_gain` agrees for linear units, ReLU and leaky ReLU. The
    default slope of leaky ReLU is 0.2 in Keras and 0.01 in PyTorch. Other numbers of
    PyTorch are conventions: 5/3 for tanh, 1 for sigmoid, and 3/4 for SELU, whose gain
    is 1 here.

    Examples:
    >>> round(keras_initx.activations.gain("relu"), 6)
    1.414214
    >>> round(keras_initx.activations.gain("gelu"), 4)
    1.5335
    >>> round(keras_initx.activations.gain(keras.layers.LeakyReLU(0.1)), 4)
    1.4072
    >>> round(keras_initx.activations.gain(keras.ops.sin, backward=True), 3)
    1.327

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation: a name that Keras knows, a function in `keras.ops`, in the
            running backend's own operations or in NumPy, a layer such as `LeakyReLU` or
            `PReLU`, or a config of one. None is linear, as in Keras. Where the units of
            a layer differ, the mean is over its units too.
        backward: bool. Whether to keep the gradient instead of the signal. Defaults to
            `False`.

    Returns:
        A float.

    Raises:
        ValueError: If the activation is unknown or not elementwise (softmax), or if the
            second moment is 0 or not finite.

    Reference:
        He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers", section 2.2,
        https://arxiv.org/abs/1502.01852, for ReLU. Klambauer, Unterthiner, Mayr and
        Hochreiter 2017, "Self-normalizing neural networks",
        https://arxiv.org/abs/1706.02515, for SELU.
    """
    return gain_for("gain", activation, backward=backward)


def gain_for(
    owner: str, activation: Any, argument: str = "activation", backward: bool = False
) -> float:
    """Computes `gain` for a class or function that errors name as the owner."""
    name = activation if isinstance(activation, str) else gated_name(activation)
    if name is not None:
        return _of_name(owner, name, argument, backward)
    return _compute(unit_of(owner, activation, argument), backward)


@functools.cache
def _of_name(owner: str, name: str, argument: str, backward: bool) -> float:
    return _compute(unit_of(owner, name, argument), backward)


@eagerly
def _compute(unit: Unit, backward: bool) -> float:
    moment = unit.checked_slope_moment if backward else unit.checked_second_moment
    value = 1 / math.sqrt(moment(1.0))
    # The last digits are noise, in which the backends differ.
    return float(f"{value:.12g}")
