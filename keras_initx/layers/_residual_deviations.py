"""The scale of the signal in residual networks without normalization."""

import math
from collections.abc import Sequence

from keras_initx import _validate


def residual_deviations(
    blocks: int, alpha: float = 0.2, transitions: Sequence[int] = ()
) -> list[float]:
    """The standard deviation of what enters each block of a normalizer-free network.

    A block adds a branch whose variance is 1 if its input has variance 1:

        h_(i+1) = h_i + alpha f(h_i / beta_i)
        beta_i^2 = Var[h_i],   Var[h_0] = 1,   Var[h_(i+1)] = Var[h_i] + alpha^2

    A transition block has a projection on its shortcut, which reads `h_i / beta_i` too.
    After it the variance is `1 + alpha^2`.

    Examples:
    >>> betas = keras_initx.layers.residual_deviations(4, alpha=0.5, transitions=[2])
    >>> [round(beta, 3) for beta in betas]
    [1.0, 1.118, 1.225, 1.118]

    Args:
        blocks: int. The number of residual blocks.
        alpha: float. The factor of each branch. Defaults to `0.2`.
        transitions: list of int. The places of the transition blocks, from 0. Defaults
            to none.

    Returns:
        A list of `blocks` floats: beta_0, beta_1, ...

    Raises:
        ValueError: If `blocks` is not a positive integer, or `alpha` is negative.

    Reference:
        Brock, De and Smith 2021, "Characterizing signal propagation to close the
        performance gap in unnormalized ResNets", section 3.2,
        https://arxiv.org/abs/2101.08692.
    """
    owner = "residual_deviations"
    blocks = _validate.positive_integer(owner, "blocks", blocks)
    alpha = _validate.not_negative(owner, "alpha", alpha)
    betas, variance = [], 1.0
    for block in range(blocks):
        betas.append(math.sqrt(variance))
        variance = (1.0 if block in transitions else variance) + alpha**2
    return betas
