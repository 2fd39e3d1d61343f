"""What one layer of an infinitely wide network does to variance and correlation."""

from typing import Any

from keras_initx import _validate
from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._unit import Unit, unit_of


def variance_map(
    activation: Any, q: float, sigma_w: float, sigma_b: float = 0.0
) -> float:
    """Computes the variance of the next pre-activation in a wide random network.

        q' = sigma_w^2 E[f(sqrt(q) z)^2] + sigma_b^2

    for z ~ N(0, 1), where q is the variance of the pre-activation, kernels have the
    variance `sigma_w^2 / fan_in`, and biases `sigma_b^2`. An orthogonal kernel with
    `gain=sigma_w` and `scale="variance"` does to the signal what one of this variance
    does, in any shape. A layer that is a few hundred units wide follows the map
    closely.

    A gated unit, as in `gain`, has two pre-activations of variance q, each with a
    kernel and a bias of its own, so that

        q' = sigma_w^2 q E[f(sqrt(q) z)^2] + sigma_b^2

    Examples:
    >>> round(keras_initx.activations.variance_map("relu", q=3.0, sigma_w=2**0.5), 6)
    3.0

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation or a gated unit, as in `gain`.
        q: float. The variance of a pre-activation. Positive.
        sigma_w: float. The standard deviation of the weights, times the square root of
            the fan-in. Positive.
        sigma_b: float. The standard deviation of the biases. Defaults to `0.0`.

    Returns:
        A float.

    Raises:
        ValueError: If a number is out of range, or if `activation` is unknown, not
            elementwise, or without a finite second moment.

    Reference:
        Poole et al. 2016, "Exponential expressivity in deep neural networks through
        transient chaos", section 2, https://arxiv.org/abs/1606.05340.
    """
    owner = "variance_map"
    unit = unit_of(owner, activation)
    q = _validate.positive(owner, "q", q)
    return _variance(unit, q, *checked_sigmas(owner, sigma_w, sigma_b))


def correlation_map(
    activation: Any, c: float, q: float, sigma_w: float, sigma_b: float = 0.0
) -> float:
    """Computes how similar two inputs are one layer later in a wide random network.

        c' = (sigma_w^2 E[f(u) f(v)] + sigma_b^2) / (sigma_w^2 E[f(u)^2] + sigma_b^2)

    for normal u and v of mean 0, variance q and correlation c: the pre-activations of
    two inputs. Usually q is a fixed point of `variance_map`. If `c' > c` for all c
    below 1, all inputs become alike with depth. If `c' < c` near 1, similar inputs
    become different. For a gated unit, as in `gain`, q c E[f(u) f(v)] stands in the
    place of E[f(u) f(v)], and q E[f(u)^2] in that of E[f(u)^2].

    Examples:
    >>> round(keras_initx.activations.correlation_map("relu", 0.0, 1.0, 2**0.5), 6)
    0.31831

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation or a gated unit, as in `gain`.
        c: float. The correlation of the pre-activations, from -1 to 1.
        q: float. Their variance. Positive.
        sigma_w: float. The standard deviation of the weights, times the square root of
            the fan-in. Positive.
        sigma_b: float. The standard deviation of the biases. Defaults to `0.0`.

    Returns:
        A float.

    Raises:
        ValueError: If a number is out of range, or if `activation` is unknown, not
            elementwise, or without a finite second moment.

    Reference:
        Poole et al. 2016, "Exponential expressivity in deep neural networks through
        transient chaos", section 2, https://arxiv.org/abs/1606.05340.
    """
    owner = "correlation_map"
    unit = unit_of(owner, activation)
    if not (_validate.is_number(c) and -1 <= c <= 1):
        raise _validate.error(
            owner, "`c` to be a number from -1 to 1", f"c={c!r}", "Pass a correlation."
        )
    q = _validate.positive(owner, "q", q)
    return _correlation(unit, float(c), q, *checked_sigmas(owner, sigma_w, sigma_b))


def checked_sigmas(owner: str, sigma_w: Any, sigma_b: Any) -> tuple[float, float]:
    """The two standard deviations as floats."""
    sigma_w = _validate.positive(owner, "sigma_w", sigma_w)
    return sigma_w, _validate.not_negative(owner, "sigma_b", sigma_b)


@eagerly
def _variance(unit: Unit, q: float, sigma_w: float, sigma_b: float) -> float:
    return sigma_w**2 * unit.checked_second_moment(q) + sigma_b**2


@eagerly
def _correlation(
    unit: Unit, c: float, q: float, sigma_w: float, sigma_b: float
) -> float:
    variance = sigma_w**2 * unit.checked_second_moment(q) + sigma_b**2
    return (sigma_w**2 * unit.product_moment(q, c) + sigma_b**2) / variance
