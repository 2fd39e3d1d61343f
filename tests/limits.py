"""The limits of the tests, derived once.

Rounding: a float32 number carries a relative error of up to `EPSILON`; a sum of n
products carries about sqrt(n) of them, and a chain of layers adds its layers up.

Statistics: an estimate is further than `SIGMAS` standard errors from the truth in one
case of 16,000. A test of a scale rejects an error of 5 % with the same confidence if
5 % are at least `2 * SIGMAS` standard errors; `samples_for_5_percent` says how many
samples that takes. Other tests use the quantile of the same probability.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.stats

EPSILON = float(np.finfo(np.float32).eps)
SIGMAS = 4.0
FALSE_ALARM = math.erfc(SIGMAS / math.sqrt(2))

# For `pytest.approx` of an integral over a normal variable: it is exact to 1e-8, and
# Keras rounds some results to float32.
close = {"rel": EPSILON, "abs": EPSILON}


def rounding(terms: int, layers: int = 1) -> float:
    """Relative error of a chain of float32 sums of `terms` products, times 4."""
    return 4 * layers * math.sqrt(terms) * EPSILON


def samples_for_5_percent() -> int:
    """Normal samples whose standard deviation is known to 5 % / (2 * SIGMAS).

    The standard error of an estimated deviation is sigma / sqrt(2 n).
    """
    return math.ceil((2 * SIGMAS / 0.05) ** 2 / 2)


def assert_mean(samples: np.ndarray, expected: float) -> None:
    """The mean of independent samples is the expected one."""
    standard_error = samples.std(ddof=1) / math.sqrt(samples.size)
    deviation = (samples.mean() - expected) / standard_error
    assert abs(deviation) < SIGMAS, f"{deviation:.1f} standard errors off {expected}"


def assert_stddev(samples: np.ndarray, expected: float) -> None:
    """The standard deviation of independent normal samples is the expected one."""
    assert samples.size >= samples_for_5_percent(), "too few samples to tell 5 %"
    standard_error = expected / math.sqrt(2 * samples.size)
    deviation = (samples.std() - expected) / standard_error
    assert abs(deviation) < SIGMAS, f"{deviation:.1f} standard errors off {expected}"


def chi_squared_limit(outcomes: int) -> float:
    """The limit of the chi-squared statistic of so many outcomes.

    Its tail is longer than a normal one: mean plus 4 deviations would be passed in one
    case of 101 for 2 outcomes, and of 720 for 15.
    """
    return float(scipy.stats.chi2.isf(FALSE_ALARM, outcomes - 1))


def assert_proportions(counts: np.ndarray, weights: Sequence[float]) -> None:
    """Counts of outcomes that are as likely as their weights say."""
    expected = counts.sum() * np.divide(weights, np.sum(weights))
    # From 5 on the statistic has nearly its law for large counts.
    assert expected.min() >= 5, "too few samples"
    statistic = ((counts - expected) ** 2 / expected).sum()
    limit = chi_squared_limit(counts.size)
    assert statistic < limit, f"chi-squared is {statistic:.1f} > {limit:.1f}"


def assert_uniform(counts: np.ndarray) -> None:
    """Counts of outcomes that are equally likely."""
    assert_proportions(counts, np.ones(counts.size))


def assert_distribution(samples: np.ndarray, distribution: Callable) -> None:
    """Kolmogorov-Smirnov: independent samples have this distribution function.

    By Massart's inequality the largest distance D of the functions exceeds d with a
    probability p of at most 2 exp(-2 n d^2), so that n d^2 = log(2 / p) / 2.
    """
    values = distribution(np.sort(samples))
    steps = np.arange(samples.size + 1) / samples.size
    distance = max((steps[1:] - values).max(), (values - steps[:-1]).max())
    limit = math.sqrt(math.log(2 / FALSE_ALARM) / 2 / samples.size)
    assert distance < limit, f"the distributions differ by {distance:.3f} > {limit:.3f}"


def assert_semi_orthogonal(matrix: np.ndarray, gain: float = 1.0) -> None:
    """The vectors of the shorter side are orthogonal, each as long as `gain`.

    Both the reflections and the products of their result carry rounding errors.
    """
    matrix = np.asarray(matrix, "float64")
    rows, columns = matrix.shape
    gram = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    error = np.abs(gram - gain**2 * np.eye(min(rows, columns))).max()
    assert error < gain**2 * rounding(max(rows, columns), layers=2), (
        f"error {error:.1e}"
    )
