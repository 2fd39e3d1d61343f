"""Each limit accepts the truth and rejects an error of 5 %."""

import limits
import numpy as np
import pytest
import scipy.stats

pytestmark = pytest.mark.same_on_each_backend


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_standard_deviation_is_known_to_5_percent(generator):
    samples = generator.normal(size=limits.samples_for_5_percent())
    limits.assert_stddev(samples, 1.0)
    for wrong in (0.95, 1.05):
        with pytest.raises(AssertionError, match="standard errors off"):
            limits.assert_stddev(wrong * samples, 1.0)
    with pytest.raises(AssertionError, match="too few samples"):
        limits.assert_stddev(samples[:1000], 1.0)


def test_the_mean_is_known_to_5_percent_of_the_deviation(generator):
    samples = generator.normal(size=limits.samples_for_5_percent() * 2)
    limits.assert_mean(samples, 0.0)
    with pytest.raises(AssertionError, match="standard errors off"):
        limits.assert_mean(samples + 0.05, 0.0)


def test_unequal_outcomes_are_found(generator):
    counts = generator.multinomial(20_000, np.full(20, 1 / 20))
    limits.assert_uniform(counts)
    uneven = np.where(np.arange(20) < 10, 1.05, 0.95) / 20
    with pytest.raises(AssertionError, match="chi-squared"):
        limits.assert_uniform(generator.multinomial(20_000, uneven))


@pytest.mark.parametrize("outcomes", [2, 5, 64])
def test_equal_outcomes_give_as_few_false_alarms_as_promised(outcomes, generator):
    counts = generator.multinomial(10_000, np.full(outcomes, 1 / outcomes), 100_000)
    expected = 10_000 / outcomes
    statistics = ((counts - expected) ** 2 / expected).sum(axis=1)
    alarms = (statistics > limits.chi_squared_limit(outcomes)).sum()
    # 6.3 of them, give or take 4 deviations of a Poisson variable.
    assert alarms < 100_000 / 15_787 + limits.SIGMAS * (100_000 / 15_787) ** 0.5


def test_outcomes_of_other_weights_are_found(generator):
    weights = [1, 4, 6, 4, 1]
    counts = generator.multinomial(20_000, np.divide(weights, 16))
    limits.assert_proportions(counts, weights)
    with pytest.raises(AssertionError, match="chi-squared"):
        limits.assert_proportions(counts, [1.2, 4, 6, 4, 1])
    with pytest.raises(AssertionError, match="too few samples"):
        limits.assert_proportions(counts // 300, weights)


def test_another_distribution_is_found(generator):
    samples = generator.normal(size=20_000)
    limits.assert_distribution(samples, scipy.stats.norm.cdf)
    for wrong in (0.9 * samples, 1.1 * samples, samples + 0.05, abs(samples)):
        with pytest.raises(AssertionError, match="distributions differ"):
            limits.assert_distribution(wrong, scipy.stats.norm.cdf)


@pytest.mark.parametrize("shape", [(30, 30), (40, 10), (10, 40)])
def test_a_matrix_that_is_nearly_orthogonal_is_found(shape, generator):
    q = np.linalg.qr(generator.normal(size=(max(shape), min(shape))))[0]
    q = q if shape[0] >= shape[1] else q.T
    limits.assert_semi_orthogonal(q.astype("float32"))
    with pytest.raises(AssertionError, match="error"):
        limits.assert_semi_orthogonal(1.05 * q)
    with pytest.raises(AssertionError, match="error"):
        limits.assert_semi_orthogonal(q + 1e-4 * generator.normal(size=shape))
