"""The fans that an initializer counts, beside those of the layer."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import fan, fans
from keras_initx.initializers import FanScaled, HaarOrthogonal

_Scaling = keras.initializers.VarianceScaling


def is_orthogonal(initializer: Any) -> bool:
    """Whether it draws semi-orthogonal matrices."""
    if type(initializer) is HaarOrthogonal:
        return initializer.scale == "isometry" and initializer.image_size is None
    return type(initializer) is keras.initializers.Orthogonal


def fan_rule_of(initializer: Any) -> Callable[[float, float], float] | None:
    """The deviation as a function of fan-in and fan-out; None without a fan rule."""
    if is_orthogonal(initializer):
        factor = gain_of(initializer)
        # The squares of a semi-orthogonal matrix sum up to its smaller side.
        return lambda rows, columns: factor / math.sqrt(max(rows, columns))
    is_of_keras = type(initializer).__call__ is _Scaling.__call__
    is_ours = type(initializer) is FanScaled and initializer.image_size is None
    if not (is_of_keras or is_ours):
        return None
    factor = gain_of(initializer) * math.sqrt(initializer.scale)
    return lambda *both: factor / math.sqrt(max(1.0, fan(initializer.mode, *both)))


def gain_of(initializer: Any) -> float:
    """The gain of an initializer; 1 without one."""
    return float(getattr(initializer, "gain", 1.0))


def counted_axes(layer: layers.Layer, initializer: Any, axes: KernelAxes) -> KernelAxes:
    """The axes as the initializer saw them."""
    given = {
        name: getattr(initializer, name, None)
        for name in ("input_axes", "output_axes", "batch_axes")
    }
    if isinstance(layer, layers.EinsumDense) and isinstance(initializer, _Scaling):
        # It tells its axes, those that it shares with the inputs as outputs.
        told = {
            "input_axes": [*axes.input],
            "output_axes": sorted(axes.output + axes.batch),
        }
        given = {name: given[name] or told.get(name) for name in given}
    return KernelAxes.resolve(
        "signal_report",
        axes.shape,
        **given,
        groups=getattr(initializer, "groups", 1),
        strides=getattr(initializer, "strides", 1),
    )


def both_fans(
    initializer: Any, counted: KernelAxes, right: KernelAxes
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Fan-in and fan-out as the initializer counts them, and those of the layer.

    Of an orthogonal one, the rows and the columns of its matrices.
    """
    if is_orthogonal(initializer):
        if not isinstance(initializer, HaarOrthogonal):
            # Keras makes one matrix of all axes but the last.
            columns = counted.shape[-1]
            first = (math.prod(counted.shape) / columns, float(columns))
        else:
            first = _sides(counted)
        return first, _sides(right)
    if type(initializer) is FanScaled:
        return fans(counted), fans(right)
    field = () if initializer.input_axes is not None else counted.spatial
    return (
        float(counted.count(field + counted.input)),
        float(counted.count(field + counted.output)),
    ), fans(right)


def _sides(axes: KernelAxes) -> tuple[float, float]:
    return float(axes.fan_in), float(axes.count(axes.output) // axes.groups)
