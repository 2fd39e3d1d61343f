"""The law by which a kernel was drawn, and the fans that its initializer counted.

An initializer sees the shape of a kernel, and not its layer. In a depthwise, grouped or
transposed convolution, and in a kernel of attention, the shape alone tells other fans
than the layer has.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import TRUNCATED_STDDEV, fan, fans
from keras_initx._model.convolutions import DEPTHWISE, TRANSPOSED
from keras_initx.initializers import FanScaled, HaarOrthogonal

_Scaling = keras.initializers.VarianceScaling
_RULES = (
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
)


@dataclasses.dataclass(frozen=True)
class Law:
    """How an initializer draws a kernel.

    Attributes:
        name: str. The id of a fan rule of Keras, such as `"he_normal"`, or the name of
            the initializer's class.
        mode: str. Which fans it counts: `"fan_in"`, `"fan_out"`, `"fan_avg"`, ...
        argument: str. The argument of the initializer that sets its scale, if any.
        value: float or None. That argument.
        std: float or None. The deviation that it draws with; None if it is not known.
        fan_in: float or None. The fan-in that it counted, if it counts any.
        fan_out: float or None. The fan-out that it counted.
        right_std: float or None. The deviation by the same rule with the layer's fans.
        right_fan_in: float or None. The fan-in that the layer has.
        right_fan_out: float or None. The fan-out that the layer has.
        remedy: str. The argument of the layer, and an initializer that follows the same
            rule with the layer's fans.
    """

    name: str
    mode: str = ""
    argument: str = ""
    value: float | None = None
    std: float | None = None
    fan_in: float | None = None
    fan_out: float | None = None
    right_std: float | None = None
    right_fan_in: float | None = None
    right_fan_out: float | None = None
    remedy: str = ""

    @property
    def factor(self) -> float:
        """How many times too large its deviation is; 1 where it counts no fans."""
        if self.std is None or self.right_std is None:
            return 1.0
        return self.std / self.right_std


def law_of(
    layer: layers.Layer, variable: keras.Variable, axes: KernelAxes
) -> Law | None:
    """The law of a kernel, by the initializer of its layer; None without one."""
    argument, initializer = _initializer(layer, variable)
    if not isinstance(initializer, keras.initializers.Initializer):
        return None
    mode = getattr(initializer, "mode", "")
    law = Law(_name(initializer), mode, **_fixed(initializer))
    deviation = _rule(initializer)
    if deviation is None:
        return law
    if not isinstance(layer, TRANSPOSED):
        # Strides change the gradient only, and that at no more than a few layers.
        axes = dataclasses.replace(axes, strides=1)
    counted = _counted(layer, initializer, axes)
    (fan_in, fan_out), (right_in, right_out) = _fans(initializer, counted, axes)
    return dataclasses.replace(
        law,
        std=deviation(fan_in, fan_out),
        fan_in=fan_in,
        fan_out=fan_out,
        right_std=deviation(right_in, right_out),
        right_fan_in=right_in,
        right_fan_out=right_out,
        remedy=f"{argument}={_code(initializer, axes)}",
    )


def _initializer(layer: layers.Layer, variable: keras.Variable) -> tuple[str, Any]:
    """The argument of a layer that draws a variable, and its value."""
    owner = layer.cell if isinstance(layer, layers.RNN) else layer
    name = variable.name.removesuffix("_kernel")
    if isinstance(layer, DEPTHWISE):
        name = "depthwise"
    argument = f"{name}_initializer"
    return argument, getattr(owner, argument, None)


def _name(initializer: Any) -> str:
    """The id of a rule of Keras, or the name of the class."""
    for name in _RULES:
        if type(initializer) is type(keras.initializers.get(name)):
            return name
    return type(initializer).__name__


def _fixed(initializer: Any) -> dict[str, Any]:
    """The scale that an initializer was given, and its deviation without any fans."""
    kinds = keras.initializers
    if isinstance(initializer, kinds.RandomNormal):
        value = float(initializer.stddev)
        return {"argument": "stddev", "value": value, "std": value}
    if isinstance(initializer, kinds.TruncatedNormal):
        value = float(initializer.stddev)
        # Keras does not make up for what it cuts off.
        return {"argument": "stddev", "value": value, "std": TRUNCATED_STDDEV * value}
    if isinstance(initializer, kinds.RandomUniform):
        low, high = float(initializer.minval), float(initializer.maxval)
        return {
            "argument": "maxval",
            "value": high,
            "std": (high - low) / math.sqrt(12),
        }
    if isinstance(initializer, _Scaling) and isinstance(
        getattr(initializer, "scale", None), int | float
    ):
        return {"argument": "scale", "value": float(initializer.scale)}
    return {}


def _is_orthogonal(initializer: Any) -> bool:
    if type(initializer) is HaarOrthogonal:
        return initializer.scale == "isometry" and initializer.image_size is None
    return type(initializer) is keras.initializers.Orthogonal


def _rule(initializer: Any) -> Callable[[float, float], float] | None:
    """The deviation as a function of fan-in and fan-out; None without a fan rule."""
    if _is_orthogonal(initializer):
        factor = _gain(initializer)
        # The squares of a semi-orthogonal matrix sum up to its smaller side.
        return lambda rows, columns: factor / math.sqrt(max(rows, columns))
    is_of_keras = type(initializer).__call__ is _Scaling.__call__
    is_ours = type(initializer) is FanScaled and initializer.image_size is None
    if not (is_of_keras or is_ours):
        return None
    factor = _gain(initializer) * math.sqrt(initializer.scale)
    return lambda *both: factor / math.sqrt(max(1.0, fan(initializer.mode, *both)))


def _gain(initializer: Any) -> float:
    return float(getattr(initializer, "gain", 1.0))


def _counted(layer: layers.Layer, initializer: Any, axes: KernelAxes) -> KernelAxes:
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


def _fans(
    initializer: Any, counted: KernelAxes, right: KernelAxes
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Fan-in and fan-out as the initializer counts them, and those of the layer.

    Of an orthogonal one, the rows and the columns of its matrices.
    """
    if _is_orthogonal(initializer):
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


def _code(initializer: Any, axes: KernelAxes) -> str:
    """The same rule, told the axes of this kernel."""
    rank = len(axes.shape)
    if _is_orthogonal(initializer):
        made = {"gain": f"{_gain(initializer):.4g}".removesuffix("1")}
        name = "HaarOrthogonal"
    else:
        scale = initializer.scale * _gain(initializer) ** 2
        made = {
            "scale": f"{scale:.4g}" if scale != 1 else "",
            "mode": f'"{initializer.mode}"' if initializer.mode != "fan_in" else "",
            "strides": str(axes.strides) if axes.strides > 1 else "",
        }
        name = "FanScaled"
    made["groups"] = str(axes.groups) if axes.groups > 1 else ""
    if axes.batch:
        made["batch_axes"] = str([axis - rank for axis in axes.batch])
    elif axes.input != (rank - 2,) or axes.output != (rank - 1,):
        made["input_axes"] = str([axis - rank for axis in axes.input])
        made["output_axes"] = str([axis - rank for axis in axes.output])
    written = ", ".join(f"{key}={text}" for key, text in made.items() if text)
    return f"keras_initx.{name}({written})"
