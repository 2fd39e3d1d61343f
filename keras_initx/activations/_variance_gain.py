"""The gain that keeps the variance of units, whatever their mean is."""

import math
from typing import Any

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._normal_moments import mean_of, second_moment


def variance_gain(activation: Any) -> float:
    """The factor that gives the outputs of an activation a variance of 1.

        gain = 1 / sqrt(Var[f(z)])   for z ~ N(0, 1)

    `gain` keeps the mean square instead. The two differ where the activation has a
    mean: kernels whose columns have mean 0, as in `ScaledWeightStandardization`, do not
    see it.

    Examples:
    >>> round(keras_initx.activations.variance_gain("relu"), 4)  # sqrt(2 / (1 - 1/pi))
    1.7129
    >>> keras_initx.activations.variance_gain("linear")
    1.0

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. The elementwise
            activation f, as for `gain`.

    Returns:
        A float.

    Raises:
        ValueError: If the activation is unknown or not elementwise (softmax), or if the
            variance is 0 or not finite.

    Reference:
        Brock, De and Smith 2021, "Characterizing signal propagation to close the
        performance gap in unnormalized ResNets", section 4.2,
        https://arxiv.org/abs/2101.08692.
    """
    return variance_gain_for("variance_gain", activation)


def variance_gain_for(owner: str, activation: Any) -> float:
    """Computes `variance_gain` for a class that errors name as the owner."""
    return _compute(Elementwise(owner, activation))


@eagerly
def _compute(f: Elementwise) -> float:
    square, mean = second_moment(f), mean_of(f)
    variance = square - mean**2
    # What is left of equal numbers is rounding.
    if not (math.isfinite(variance) and variance > 1e-9 * square):
        raise f.error(
            "an activation whose variance is finite and above 0",
            f", whose variance is {max(variance, 0.0):.3g}",
        )
    # The last digits are noise, in which the backends differ.
    return float(f"{1 / math.sqrt(variance):.9g}")
