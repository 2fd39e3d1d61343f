"""LeCun's tanh."""

from typing import Any

from keras import ops

from keras_initx._registry import register


@register("activations", "lecun_tanh")
def lecun_tanh(x: Any) -> Any:
    """Computes the scaled hyperbolic tangent of LeCun.

        f(x) = 1.7159 tanh(2 x / 3)

    It is 1 at 1 and -1 at -1, so that a unit can reach targets of 1 and -1 without
    saturating. On normal inputs of variance 1 the mean square of its output is 0.75,
    not 1: `gain("lecun_tanh")` is 1.154.

    Examples:
    >>> y = keras_initx.activations.lecun_tanh(keras.ops.convert_to_tensor([0.0, 1.0]))
    >>> [round(float(value), 3) for value in y]
    [0.0, 1.0]
    >>> layer = keras.layers.Dense(8, activation="lecun_tanh")

    Args:
        x: tensor of any shape.

    Returns:
        A tensor of the same shape, of the same floating-point dtype.

    Reference:
        LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp", section 4.4.
    """
    return ops.multiply(1.7159, ops.tanh(ops.multiply(2 / 3, x)))
