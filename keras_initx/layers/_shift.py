"""One trainable offset."""

from typing import Any

from keras_initx._registry import register
from keras_initx.layers._trainable_number import TrainableNumber


@register("layers")
class Shift(TrainableNumber):
    """Adds one trainable number to its input.

        Shift(x) = x + offset

    Fixup has one, which starts at 0, before each convolution, dense layer and
    activation.

    Examples:
    >>> x = keras.ops.ones((1, 3))
    >>> keras.ops.convert_to_numpy(keras_initx.layers.Shift(0.5)(x)).tolist()
    [[1.5, 1.5, 1.5]]

    Args:
        initial_value: float. The offset at first. Defaults to `0.0`.
        gradient_scale: float. The gradient of the number is multiplied by this, as in
            `keras_initx.layers.Scale`. Fixup: 0.1. Defaults to `1.0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor of floats, of any shape.

    Returns:
        A tensor of the same shape and dtype.

    Raises:
        ValueError: If `initial_value` is not a finite number, or `gradient_scale` is
            not above 0.

    Reference:
        Zhang, Dauphin and Ma 2019, "Fixup initialization: residual learning without
        normalization", https://arxiv.org/abs/1901.09321.
    """

    _name_of_number = "offset"

    def __init__(
        self, initial_value: float = 0.0, gradient_scale: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(initial_value, gradient_scale, **kwargs)

    def call(self, inputs: Any) -> Any:
        return inputs + self.value(inputs)
