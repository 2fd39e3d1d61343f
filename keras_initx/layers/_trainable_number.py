"""The base of layers that have one trainable number."""

from typing import Any

import keras
from keras import ops

from keras_initx import _validate


class TrainableNumber(keras.layers.Layer):
    """Base class: a layer with one trainable number, for inputs of any shape.

    A subclass names it, gives it a default, and says what it does to the inputs.
    """

    # The name of the weight.
    _name_of_number: str

    def __init__(
        self, initial_value: float, gradient_scale: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.initial_value = _validate.number(owner, "initial_value", initial_value)
        self.gradient_scale = _validate.positive(
            owner, "gradient_scale", gradient_scale
        )
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes the number."""
        self.number = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_value),
            name=self._name_of_number,
        )

    def value(self, inputs: Any) -> Any:
        """The number, in the dtype of the inputs, with its gradient scaled."""
        number = ops.convert_to_tensor(self.number)
        if self.gradient_scale != 1:
            # The difference is 0, and so the value stays what it is to the bit.
            moved = number - ops.stop_gradient(number)
            number = number + (self.gradient_scale - 1) * moved
        return ops.cast(number, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        return {
            **super().get_config(),
            "initial_value": self.initial_value,
            "gradient_scale": self.gradient_scale,
        }
