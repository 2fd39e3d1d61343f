"""The factor of a kernel that gives a pre-activation the wanted variance.

Everything here is NumPy in float64, on a few numbers for each unit.
"""

import dataclasses

import numpy as np

# Below this share of the mean square a variance is rounding: the numbers are equal.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True)
class Correction:
    """How to correct a pre-activation `kernel * inputs + bias`, and the result.

    The arrays have the rank of the pre-activation. The kernel is multiplied by
    `factors`, and `shift` is added to the bias. There is no factor where nothing varies
    (`is_dead`), and where the bias alone varies too much (`is_hopeless`).
    """

    factors: np.ndarray
    shift: np.ndarray
    is_dead: np.ndarray
    is_hopeless: np.ndarray
    std_before: float
    std_after: float
    mean_before: float
    mean_after: float

    @property
    def factor(self) -> float:
        """The factors' geometric mean."""
        return float(np.exp(np.mean(np.log(self.factors))))

    @property
    def changes_nothing(self) -> bool:
        """Whether the pre-activation stays as it is."""
        return bool(np.all(self.factors == 1) and np.all(self.shift == 0))

    def offset(self, bias: np.ndarray) -> np.ndarray:
        """What to add to `factors * pre_activation`, in which the bias is scaled too.

        factors * (kernel * inputs + bias) + offset
            = factors * kernel * inputs + bias + shift
        """
        return (1 - self.factors) * bias + self.shift


def correct(
    mean: np.ndarray,
    variance: np.ndarray,
    bias: np.ndarray,
    target_std: float,
    tolerance: float,
    units: tuple[int, ...] = (),
    is_centered: bool = False,
) -> Correction:
    """Solves `Var[factor * a + bias] = target_std^2` for the factor, `a` without bias.

        factor^2 Var[a] + 2 factor Cov[a, bias] + Var[bias] = target_std^2

    Args:
        mean: float64 array. The mean of the pre-activation, of size 1 along the axes
            of which it is the mean.
        variance: float64 array. Its variance, of the same shape.
        bias: float64 array. The bias, which is broadcast to that shape.
        target_std: float. The wanted standard deviation.
        tolerance: float. A standard deviation with at most this relative error stays.
        units: tuple of int. The axes along which each unit gets a factor of its own.
            Defaults to none: one factor for all.
        is_centered: bool. Whether a shift of the bias makes the mean 0. Defaults to
            `False`.

    Returns:
        Correction.
    """
    others = tuple(axis for axis in range(mean.ndim) if axis not in units)

    def average(values: np.ndarray) -> np.ndarray:
        return np.mean(values, axis=others, keepdims=True)

    bias = np.broadcast_to(bias, mean.shape)
    bias_deviation = bias - average(bias)
    linear_mean = average(mean - bias)
    linear_deviation = mean - bias - linear_mean
    linear_variance = average(variance + linear_deviation**2)
    covariance = average(linear_deviation * bias_deviation)
    bias_variance = average(bias_deviation**2)
    before = average(variance + (mean - average(mean)) ** 2)

    room = target_std**2 - bias_variance
    discriminant = covariance**2 + linear_variance * room
    is_dead = linear_variance <= _ROUNDING * (linear_variance + linear_mean**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The larger root has two forms. The one without a difference is exact.
        root = np.sqrt(np.maximum(discriminant, 0))
        factors = np.where(
            covariance > 0,
            room / (covariance + root),
            (root - covariance) / linear_variance,
        )
    is_hopeless = ~is_dead & ((discriminant < 0) | ~(factors > 0))
    is_well = np.abs(np.sqrt(before) / target_std - 1) <= tolerance
    factors = np.where(is_dead | is_hopeless | is_well, 1.0, factors)

    mean_after = factors * linear_mean + average(bias)
    is_off = is_centered & (np.abs(mean_after) > tolerance * target_std)
    shift = np.where(is_off, -mean_after, 0.0)
    after = factors**2 * linear_variance + 2 * factors * covariance + bias_variance
    return Correction(
        factors=factors,
        shift=shift,
        is_dead=is_dead,
        is_hopeless=is_hopeless,
        std_before=float(np.sqrt(np.mean(before))),
        std_after=float(np.sqrt(np.mean(after))),
        mean_before=float(np.mean(mean)),
        mean_after=float(np.mean(mean_after + shift)),
    )
