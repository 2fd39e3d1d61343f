"""One trainable factor."""

from typing import Any

from keras_initx._registry import register
from keras_initx.layers._trainable_number import TrainableNumber


@register("layers")
class Scale(TrainableNumber):
    """Multiplies its input by one trainable number.

        Scale(x) = factor * x

    At the end of a residual branch it is the multiplier of Fixup, with the factor 1 at
    first. With `initial_value=0.0` it is that of ReZero and SkipInit: each block starts
    as the identity.

    Examples:
    >>> x = keras.ops.ones((1, 3))
    >>> keras.ops.convert_to_numpy(keras_initx.layers.Scale(0.5)(x)).tolist()
    [[0.5, 0.5, 0.5]]

    Args:
        initial_value: float. The factor at first. Defaults to `1.0`.
        gradient_scale: float. The gradient of the number is multiplied by this. With
            SGD, with momentum or without, that is a learning rate of its own: Fixup
            trains these numbers at a tenth of the rate, `gradient_scale=0.1`. Adam and
            its like divide by the scale of the gradient, so that it has no effect
            there. Defaults to `1.0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor of floats, of any shape.

    Returns:
        A tensor of the same shape and dtype.

    Raises:
        ValueError: If `initial_value` is not a finite number, or `gradient_scale` is
            not above 0.

    Reference:
        - Zhang, Dauphin and Ma 2019, "Fixup initialization: residual learning without
          normalization", https://arxiv.org/abs/1901.09321.
        - Bachlechner et al. 2020, "ReZero is all you need: fast convergence at large
          depth", https://arxiv.org/abs/2003.04887.
        - De and Smith 2020, "Batch normalization biases residual blocks towards the
          identity function in deep networks", https://arxiv.org/abs/2002.10444.
    """

    _name_of_number = "factor"

    def __init__(
        self, initial_value: float = 1.0, gradient_scale: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(initial_value, gradient_scale, **kwargs)

    def call(self, inputs: Any) -> Any:
        return inputs * self.value(inputs)
