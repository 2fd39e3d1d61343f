"""The fan rule: the variance of a kernel, from what its layer sums.

The fan-in is the number of inputs that one output sums, and the fan-out the number of
outputs to which one input goes. They are the numbers of entries in the rows and columns
of the layer's Jacobian that are not zero. Where these differ from row to row, as with
strides, they are means, away from the borders.
"""

import math
from typing import Any

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.random import normal, truncated_normal, uniform

MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg", "spectral")
DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")

# Of a normal variable between -2 and 2: 1 - 4 f(2) / (F(2) - F(-2)) is its variance.
_DENSITY_AT_2 = math.exp(-2) / math.sqrt(2 * math.pi)
TRUNCATED_STDDEV = math.sqrt(1 - 4 * _DENSITY_AT_2 / math.erf(math.sqrt(2)))


def fans(axes: KernelAxes) -> tuple[float, float]:
    """The fan-in and the fan-out of the layer that has this kernel.

    A convolution with strides s lets one input go to 1 / s of the outputs that it
    reaches without them. A transposed convolution, whose input axis stands after the
    output axis, lets one output sum 1 / s of the inputs. A lookup sums one row.
    """
    fan_in, fan_out = float(axes.fan_in), float(axes.fan_out)
    if axes.is_lookup:
        return 1.0, fan_out
    is_transposed = bool(axes.input) and axes.input > axes.output
    if is_transposed:
        return fan_in / axes.strides, fan_out
    return fan_in, fan_out / axes.strides


def fan(mode: str, fan_in: float, fan_out: float) -> float:
    """The number by which a mode divides the variance."""
    if mode == "fan_in":
        return fan_in
    if mode == "fan_out":
        return fan_out
    if mode == "fan_avg":
        return (fan_in + fan_out) / 2
    if mode == "fan_geo_avg":
        return math.sqrt(fan_in * fan_out)
    return fan_in * max(1.0, fan_in / fan_out)


def standard(distribution: str, shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent draws of mean 0 and variance 1."""
    if distribution == "normal":
        return normal(shape, dtype, seed)
    if distribution == "truncated_normal":
        return truncated_normal(shape, dtype, seed) / TRUNCATED_STDDEV
    return math.sqrt(3) * (2 * uniform(shape, seed, dtype) - 1)
