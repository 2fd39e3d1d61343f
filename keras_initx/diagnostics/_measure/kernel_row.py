"""What a report says of one kernel."""

import dataclasses
import math

from keras_initx.diagnostics._measure.laws import Law
from keras_initx.diagnostics._measure.reach import Reach


@dataclasses.dataclass
class KernelRow:
    """One kernel.

    Attributes:
        path: str. The variable's path in the model.
        shape: tuple of int.
        fan_in: int or None. The weights that lead to one output unit, by the layer's
            own axes; None where there is no such sum, as in an embedding.
        fan_out: int or None. The weights that lead away from one input unit.
        norm: float. The Euclidean norm.
        gradient: float or None. The norm of the gradient of the loss.
        gradient_ratio: float or None. `gradient / norm`.
        update_ratio: float or None. The norm of the change by the first update of the
            model's optimizer, over `norm`.
        largest_singular_value: float or None. Of the kernel as a matrix from its input
            and spatial axes to its output axes.
        smallest_singular_value: float or None. The same.
        has_equal_units: bool. Whether all output units have the same weights.
        has_equal_inputs: bool. Whether all inputs have the same weights.
        equal_to: str or None. The path of an earlier kernel that is equal bit for bit.
        is_trainable: bool. Whether training changes it.
        reach: Reach or None. What a convolution with strides reads or writes.
        float16_share: float or None. The norm of the gradient in float16, without a
            scaled loss, over that with one; None unless training goes without.
        std: float. The standard deviation of the weights.
        law: Law or None. How the initializer that the layer holds draws it, where that
            is known: with `name`, `std` (the deviation that it draws with), `fan_in`
            and `fan_out` (the fans that it counted), and `right_std`, `right_fan_in`
            and `right_fan_out` (the same with the layer's own fans).
        regularization: float or None. The norm of the gradient of its regularizer,
            where that is a part of the loss.
    """

    path: str
    shape: tuple[int, ...]
    fan_in: int | None = None
    fan_out: int | None = None
    norm: float = 0.0
    gradient: float | None = None
    gradient_ratio: float | None = None
    update_ratio: float | None = None
    largest_singular_value: float | None = None
    smallest_singular_value: float | None = None
    has_equal_units: bool = False
    has_equal_inputs: bool = False
    equal_to: str | None = None
    is_trainable: bool = True
    reach: Reach | None = None
    float16_share: float | None = None
    std: float = 0.0
    law: Law | None = None
    regularization: float | None = None

    @property
    def scaled_variance(self) -> float:
        """The mean square of the weights times the fan-in; 0 without a fan-in."""
        return self.norm**2 / math.prod(self.shape) * (self.fan_in or 0)
