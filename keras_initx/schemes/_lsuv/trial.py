"""A layer of an unknown class: its kernel is scaled until the output fits."""

import dataclasses
import math

from keras_initx._backend import saved
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx.schemes._lsuv.correction import Correction

# The kernel is scaled at most this often.
_ATTEMPTS = 10
# With a smaller power the output does not follow the kernel.
_LEAST_POWER = 0.05


class Trial:
    """The trials on one layer.

    The output may grow with any power of the kernel. The power is 1 in the first trial,
    and then estimated from the last one.
    """

    def __init__(self, first: Correction, described: LayerKernel) -> None:
        self.first = first
        variables = [v for v in (described.kernel, described.bias) if v is not None]
        self.originals = [(variable, saved(variable)) for variable in variables]
        self.factor = 1.0
        self.is_given_up = False
        self._power = 1.0
        self._attempts = 0
        self._last = (first.std_before, 1.0)

    def next(self, correction: Correction) -> Correction | None:
        """The next trial, from what the formula says; None to give up."""
        std, factor = self._last
        if abs(math.log(factor)) > _LEAST_POWER and std > 0 < correction.std_before:
            self._power = math.log(correction.std_before / std) / math.log(factor)
        if abs(self._power) < _LEAST_POWER or self._attempts == _ATTEMPTS:
            self.is_given_up = True
            return None
        factors = correction.factors ** (1 / self._power)
        tried = dataclasses.replace(correction, factors=factors)
        self.factor *= tried.factor
        self._attempts += 1
        self._last = (tried.std_before, tried.factor)
        return tried
