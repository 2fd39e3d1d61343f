"""The gain that an activation needs."""

import functools
import math
from typing import Any

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._unit import Unit, unit_of


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
    outputs than inputs. Otherwise this is multiplied by `inputs / outputs`, for example
    by 0.125 from 64 to 512 units. `scale="variance"` of the orthogonal initializers
    makes up for it, in any shape.

    What happens if the mean square of a sample is not 1? A small deviation is
    multiplied in each layer by

        slope = E[f(z)^2 (z^2 - 1)] / E[f(z)^2] / 2

    With tanh, sigmoid, ELU, SELU and softplus this is below 1: the mean square goes to
    1 with depth. With ReLU it is 1: the mean square stays as it is. With GELU, SiLU,
    Mish and hard SiLU it is 1.144, 1.173, 1.076 and 1.224. So in deep networks of
    these, some samples vanish and others explode, and scaling whole batches does not
    change that. `schemes.critical(model)` does: it sets kernels and biases to a
    `critical_point` at which the variance is stable. So does `LayerNormalization`
    before each of these activations.

    A gated unit has the output f(a) b, of two pre-activations with a kernel each. Pass
    its name, for the initializer of the kernel that reads such outputs:

        "glu": f is sigmoid     "swiglu": SiLU     "geglu": GELU
        "reglu": ReLU           "bilinear": f(a) = a

    For independent a and b of variance 1, E[(f(a) b)^2] is E[f(a)^2]. So the gain is
    that of f: 1.846, 1.677, 1.534, 1.414 and 1. But the slope is that of f plus 1:
    1.106, 2.173, 2.144, 2 and 2, in the same order. All but `"glu"` double a deviation
    in each layer, or more: normalize the inputs of gated units in networks of more than
    a few layers. With `backward` the gradient reaches the inputs through both kernels:

        gain = 1 / sqrt(E[f'(z)^2] + E[f(z)^2])

    `keras.activations.glu`, which splits its inputs, is `"glu"` too.

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
    >>> round(keras_initx.activations.gain("swiglu"), 4)
    1.6765
    >>> round(keras_initx.activations.gain(keras.ops.sin, backward=True), 3)
    1.327

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation: a name that Keras knows, a function in `keras.ops`, in the
            running backend's own operations or in NumPy, a layer such as `LeakyReLU` or
            `PReLU`, or a config of one. None is linear, as in Keras. Where the units of
            a layer differ, the mean is over its units too. Or the name of a gated unit.
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
        https://arxiv.org/abs/1706.02515, for SELU. Dauphin, Fan, Auli and Grangier
        2017, "Language modeling with gated convolutional networks",
        https://arxiv.org/abs/1612.08083, and Shazeer 2020, "GLU variants improve
        transformer", https://arxiv.org/abs/2002.05202, define the gated units. Their
        gains, and all slopes, are derived here.
    """
    return gain_for("gain", activation, backward=backward)


def gain_for(
    owner: str, activation: Any, argument: str = "activation", backward: bool = False
) -> float:
    """Computes `gain` for a class or function that errors name as the owner."""
    if isinstance(activation, str):
        return _of_name(owner, activation, argument, backward)
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
