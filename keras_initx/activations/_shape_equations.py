"""What a shaped activation must fulfil, as equations of its input scale and shift.

Let g(z) = f(a z + b) for z ~ N(0, 1), of mean m and variance V, and S = E[g'(z)^2].
The shaped activation is (g + d) / r. Its output shift d and scale 1 / r follow from the
conditions that need no search; r^2 = E[(g + d)^2] makes Q(1) = 1.

- DKS: C(0) = 0 means d = -m. What is left is C'(1) = S / V and Q'(1) = 1.
- TAT: C'(1) = 1 means r^2 = S, so that m + d is one of the two roots of S - V. What is
  left is C''(1) = E[g''(z)^2] / S and Q'(1) = 1.

Q'(1) is E[z (g + d) g'] / r^2. In a deep network both C'(1) - 1 and C''(1) are tiny,
and Q'(1) - 1 is as small whatever a and b are. So the target divides both equations.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._quadrature import normal_means

# The error of a rule that converges is much smaller than its last change.
_TOLERANCE = 1e-8


class Shape(NamedTuple):
    """The numbers of output_scale (f(input_scale x + input_shift) + output_shift)."""

    input_scale: float
    input_shift: float
    output_scale: float
    output_shift: float


@functools.cache
def _gauss_hermite() -> tuple[np.ndarray, np.ndarray]:
    """The points of the rule, and their weights, which add up to 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    return nodes, weights / weights.sum()


class Equations:
    """The equations for one activation.

    Args:
        f: Elementwise. Use it within `eagerly`.
        branch: int. 0 for DKS. 1 or -1 for TAT: the sign of the root m + d.
        target: float. C'(1) - 1 for DKS, C''(1) for TAT. Positive.
    """

    def __init__(self, f: Elementwise, branch: int, target: float) -> None:
        self._f = f
        self._branch = branch
        self._target = target
        nodes, weights = _gauss_hermite()
        self._nodes = nodes
        self._weights = weights

    def roughly(self, scales: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """Both residuals for many scales and shifts, by the rule of Gauss and Hermite.

        The first is the logarithm of the slope or curvature as a multiple of the
        target. The second is Q'(1) - 1 as a multiple of it.
        """
        shape = (len(scales), len(self._nodes))
        parts = self._parts(
            np.tile(self._nodes, len(scales)),
            np.repeat(scales, len(self._nodes)),
            np.repeat(shifts, len(self._nodes)),
        )
        return self._residuals(parts.reshape(-1, *shape) @ self._weights)

    def exactly(self, scale: float, shift: float) -> np.ndarray:
        """Both residuals, also if the activation has kinks."""
        return self._residuals(self._means(scale, shift))

    def shape(self, scale: float, shift: float) -> Shape:
        """All four numbers."""
        means = self._means(scale, shift)
        offset, moment = self._offset_and_moment(means)
        at_shift = self._f(np.array([shift]))[0, 0]
        output_shift = float(offset - means[0] - at_shift)
        return Shape(scale, shift, 1 / math.sqrt(moment), output_shift)

    def distance_from_identity(self, shape: Shape) -> float:
        """How much Q differs from the identity at variances of 1/2 and 2."""
        variances = np.array([0.5, 2.0])
        z = np.sqrt(variances)[:, None] * self._nodes
        values = self._f((shape.input_scale * z + shape.input_shift).reshape(-1))
        values = values[:, 0].reshape(z.shape) + shape.output_shift
        after = (shape.output_scale * values) ** 2 @ self._weights
        return float(np.abs(after - variances).sum())

    def _parts(
        self, z: np.ndarray, scale: np.ndarray | float, shift: np.ndarray | float
    ) -> np.ndarray:
        """g, g^2, g'^2, z g g', z g' and g''^2; here g is f less its value at b."""
        x = scale * z + shift
        g = self._f(x)[:, 0] - self._f(np.atleast_1d(shift))[:, 0]
        slope = scale * self._f.derivative(x)[:, 0]
        bend = np.zeros_like(g)
        if self._branch:
            bend = scale**2 * self._f.curvature(x)[:, 0]
        return np.stack([g, g**2, slope**2, z * g * slope, z * slope, bend**2])

    def _means(self, scale: float, shift: float) -> np.ndarray:
        """The means of the parts."""

        def integrand(z: np.ndarray, which: np.ndarray) -> np.ndarray:
            return self._parts(z, scale, shift)[which, np.arange(len(z))]

        return normal_means(integrand, 6, tolerance=_TOLERANCE)

    def _offset_and_moment(self, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean m + d and the mean square r^2."""
        mean, square, slope, *_ = means
        variance = square - mean**2
        offset = self._branch * np.sqrt(np.maximum(slope - variance, 0))
        return offset, variance + offset**2

    def _residuals(self, means: np.ndarray) -> np.ndarray:
        mean, _, slope, product, drift, curvature = means
        offset, moment = self._offset_and_moment(means)
        found = curvature / moment if self._branch else slope / moment - 1
        q_slope = (product + (offset - mean) * drift) / moment
        return np.stack([np.log(found / self._target), (q_slope - 1) / self._target])
