"""An activation between two affine functions of one number."""

from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._registry import register
from keras_initx.activations._elementwise import find, unrounded


@register("activations")
class ShapedActivation:
    """Scales and shifts the input and the output of an activation.

        y = output_scale * (f(input_scale * x + input_shift) + output_shift)

    This is what `shaped` returns, which computes the numbers. It goes wherever Keras
    takes an activation, and saved models carry it. float16 and bfloat16 inputs are
    computed in float32: in deep networks the output is a small difference.

    Examples:
    >>> activation = keras_initx.activations.ShapedActivation(
    ...     "tanh", input_scale=0.5, output_scale=2.0
    ... )
    >>> y = activation(keras.ops.convert_to_tensor([0.0, 1.0]))
    >>> [round(float(value), 4) for value in y]
    [0.0, 0.9242]
    >>> layer = keras.layers.Dense(8, activation=activation)

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation without weights. Defaults to `None`, which is linear.
        input_scale: float. Defaults to `1.0`.
        input_shift: float. Defaults to `0.0`.
        output_scale: float. Defaults to `1.0`.
        output_shift: float. Defaults to `0.0`.
        negative_slope: float or None. The slope below 0 of `"leaky_relu"` or `"relu"`.
            Defaults to `None`, which means their own.

    Call arguments:
        x: tensor of any shape.

    Returns:
        A tensor of the same shape, of the same floating-point dtype.

    Raises:
        ValueError: If the activation is unknown or has weights, or a number is not
            finite.

    Reference:
        Martens et al. 2021, "Rapid training of deep neural networks without skip
        connections or normalization layers using deep kernel shaping",
        https://arxiv.org/abs/2110.01765.
    """

    def __init__(
        self,
        activation: Any = None,
        input_scale: float = 1.0,
        input_shift: float = 0.0,
        output_scale: float = 1.0,
        output_shift: float = 0.0,
        negative_slope: float | None = None,
    ) -> None:
        self.activation = _activation(activation)
        self.input_scale = _validate.number(
            "ShapedActivation", "input_scale", input_scale
        )
        self.input_shift = _validate.number(
            "ShapedActivation", "input_shift", input_shift
        )
        self.output_scale = _validate.number(
            "ShapedActivation", "output_scale", output_scale
        )
        self.output_shift = _validate.number(
            "ShapedActivation", "output_shift", output_shift
        )
        self.negative_slope = negative_slope
        if negative_slope is not None:
            self.negative_slope = _validate.number(
                "ShapedActivation", "negative_slope", negative_slope
            )
            if self.activation not in (
                keras.activations.leaky_relu,
                keras.activations.relu,
            ):
                raise _validate.error(
                    "ShapedActivation",
                    "`negative_slope` to be None unless the activation is 'leaky_relu' "
                    "or 'relu'",
                    f"negative_slope={negative_slope!r}, activation={activation!r}",
                    "Leave it out.",
                )

    def __call__(self, x: Any) -> Any:
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype in ("float16", "bfloat16"):
            return ops.cast(self._values(ops.cast(x, "float32")), dtype)
        return self._values(x)

    def _values(self, x: Any) -> Any:
        # The operators of tensors keep float64, which `ops.multiply` does not on JAX.
        values = self._inner(x * self.input_scale + self.input_shift)
        return (values + self.output_shift) * self.output_scale

    def _inner(self, x: Any) -> Any:
        if self.negative_slope is not None:
            return self.activation(x, negative_slope=self.negative_slope)
        if isinstance(self.activation, keras.Layer):
            # Without the casts of its dtype policy.
            return self.activation.call(x)
        if keras.backend.standardize_dtype(x.dtype) == "float64":
            # Rounding errors would make `gain` and the maps slow.
            return unrounded(self.activation)(x)
        return self.activation(x)

    def __repr__(self) -> str:
        arguments = {**self.get_config(), "activation": self.activation}
        name = getattr(self.activation, "__name__", None)
        if name is not None:
            arguments["activation"] = name
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        return f"ShapedActivation({shown})"

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain JSON."""
        return {
            "activation": keras.activations.serialize(self.activation),
            "input_scale": self.input_scale,
            "input_shift": self.input_shift,
            "output_scale": self.output_scale,
            "output_shift": self.output_shift,
            "negative_slope": self.negative_slope,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ShapedActivation":
        """The activation with these arguments."""
        return cls(**config)


def _activation(activation: Any) -> Any:
    owner = "ShapedActivation"
    found = find(activation)
    if found is None:
        raise _validate.error(
            owner,
            "a known activation",
            f"activation={activation!r}",
            "Pass the name of a Keras activation, a function or a layer.",
        )
    if isinstance(found, keras.Layer) and _has_weights(found):
        raise _validate.error(
            owner,
            "an activation without weights",
            f"activation={activation!r}",
            "Pass for example 'leaky_relu'.",
        )
    return found


def _has_weights(layer: keras.Layer) -> bool:
    copy = type(layer).from_config(layer.get_config())
    copy.build((None, 1))
    return bool(copy.weights)
