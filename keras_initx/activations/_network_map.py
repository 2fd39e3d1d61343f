"""The correlation map of a whole network, as a function of that of its layers.

Such a function takes a number and what one nonlinear layer does to it, and returns what
the network does. With the correlation map C of a layer it gives that of the network.
Slopes at 1 are multiplied along a path, and curvatures at 1 are added where slopes are
1. Both are averaged in a sum, as correlations are. So this function gives them too.
"""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx import _validate
from keras_initx.activations._chain_depth import chain_depth
from keras_initx.activations._root import root

Layer = Callable[[float], float]
Network = Callable[[float, Layer], float]


def network_of(owner: str, depth: Any) -> Network:
    """The function for a number of layers, a model, or such a function itself."""
    if isinstance(depth, keras.Model):
        return _chain(chain_depth(owner, depth))
    if callable(depth) and not isinstance(depth, keras.Layer | type):
        return _checked(owner, depth)
    return _chain(_validate.positive_integer(owner, "depth", depth))


def target_of_layer(
    network: Network, start: float, layer: Callable[[float], Layer], target: float
) -> float | None:
    """How far above `start` the number x of `layer(x)` must be for the target.

    With `start` itself the network stays at `start`. None if it never gets there.
    """

    def error(distance: float) -> float:
        return network(start, layer(start + distance)) / target - 1

    low, high = 0.0, 2.0**-20
    while (at_high := error(high)) < 0:
        low, high = high, 2 * high
        if high > 2.0**20:
            return None
    # In units of `high`, so that the small numbers of deep networks have exact digits.
    ends = (low / high, error(low)), (1.0, at_high)
    return high * root(lambda part: error(high * part), *ends)


def _chain(depth: int) -> Network:
    def network(value: float, layer: Layer) -> float:
        for _ in range(depth):
            value = layer(value)
        return value

    return network


def _checked(owner: str, network: Network) -> Network:
    """A function of the user. Layers that change nothing must change nothing."""
    found = [network(value, lambda c: c) for value in (0.0, 1.0)]
    if not all(
        _validate.is_number(value) and abs(value - expected) < 1e-6
        for value, expected in zip(found, (0.0, 1.0), strict=True)
    ):
        raise _validate.error(
            owner,
            "a function `depth` that returns c where its layers do",
            f"{found[0]!r} for c=0 and {found[1]!r} for c=1",
            "Weight the parts of each sum with numbers that add up to 1: the squares "
            "of the weights in the network.",
        )
    return network
