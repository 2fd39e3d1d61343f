"""The law by which a kernel was drawn, and the fans that its initializer counted.

An initializer sees the shape of a kernel, and not its layer. In a depthwise, grouped or
transposed convolution, and in a kernel of attention, the shape alone tells other fans
than the layer has.
"""

import dataclasses
import math
from typing import Any

import keras
from keras import layers

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import TRUNCATED_STDDEV
from keras_initx._model.convolutions import DEPTHWISE, TRANSPOSED
from keras_initx.diagnostics._measure.counted_fans import (
    both_fans,
    counted_axes,
    fan_rule_of,
    gain_of,
    is_orthogonal,
)

_Scaling = keras.initializers.VarianceScaling
_RULES = {
    keras.initializers.GlorotNormal: "glorot_normal",
    keras.initializers.GlorotUniform: "glorot_uniform",
    keras.initializers.HeNormal: "he_normal",
    keras.initializers.HeUniform: "he_uniform",
    keras.initializers.LecunNormal: "lecun_normal",
    keras.initializers.LecunUniform: "lecun_uniform",
}


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
    deviation = fan_rule_of(initializer)
    if deviation is None:
        return law
    if not isinstance(layer, TRANSPOSED):
        # Strides change the gradient only, and that at no more than a few layers.
        axes = dataclasses.replace(axes, strides=1)
    counted = counted_axes(layer, initializer, axes)
    (fan_in, fan_out), (right_in, right_out) = both_fans(initializer, counted, axes)
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
    return _RULES.get(type(initializer), type(initializer).__name__)


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


def _code(initializer: Any, axes: KernelAxes) -> str:
    """The same rule, told the axes of this kernel."""
    rank = len(axes.shape)
    if is_orthogonal(initializer):
        made = {"gain": f"{gain_of(initializer):.4g}".removesuffix("1")}
        name = "HaarOrthogonal"
    else:
        scale = initializer.scale * gain_of(initializer) ** 2
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
