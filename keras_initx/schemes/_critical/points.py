"""The standard deviations of kernels and biases at the edge of chaos, layer by layer.

After an activation f of pre-activations of variance q, the critical point of f is

    sigma_w^2 = 1 / E[f'(sqrt(q) z)^2]
    sigma_b^2 = q - sigma_w^2 E[f(sqrt(q) z)^2]

If the next activation needs another variance q', both are multiplied by q' / q. That is
a change of units: the slope of the correlation map at 1 stays 1, and the gradient times
the pre-activation keeps its mean square.
"""

import math
from typing import Any

from keras_initx import _validate
from keras_initx._model.left_alone import why_left_alone
from keras_initx._model.selection import Selection
from keras_initx.layers import ScaledWeightStandardization
from keras_initx.schemes._critical.applied import Applications
from keras_initx.schemes._critical.point import (
    Point,
    in_branch,
    naming,
    no_point,
    rest_of,
    set_after,
)
from keras_initx.schemes._critical.signals import (
    INPUT,
    KERNEL,
    NORMALIZED,
    ChainLayer,
)

_OWNER = "critical"


class Points:
    """The points of all layers of a chain.

    Args:
        chain: list of ChainLayer.
        q: float or str. The variance, or which one.
        selection: Selection. The layers that are set.
        in_branches: set of int. The identities of the layers in residual branches.
        is_measured: bool. Whether a batch will tell what the theory does not know.
    """

    def __init__(
        self,
        chain: list[ChainLayer],
        q: Any,
        selection: Selection,
        in_branches: set[int],
        is_measured: bool,
    ) -> None:
        self._q = q
        self._is_measured = is_measured
        self._applications = Applications()
        self._by_chain: dict[int, Point] = {}
        self.points = [self._point(each, selection) for each in chain]
        for point in self.points:
            if point.is_set and id(point.chain.layer) in in_branches:
                raise in_branch(point)
        self._choose_variances()
        for point in self.points:
            if point.is_set:
                self._set(point)

    def _point(self, chain: ChainLayer, selection: Selection) -> Point:
        """The point of a layer, which is not set yet."""
        point = Point(chain, self._applications.of(chain.activations))
        kernel = chain.described.kernel
        if not selection(chain.layer, chain.parents):
            point.left_alone = "not selected"
        elif chain.is_in_attention:
            point.left_alone = "in an attention layer"
        elif any(
            isinstance(each, ScaledWeightStandardization) for each in chain.parents
        ):
            point.left_alone = "ScaledWeightStandardization sets its scale"
        elif reason := why_left_alone(chain.layer, kernel, chain.parents):
            point.left_alone = reason
        elif any(p.chain.described.kernel is kernel for p in self._by_chain.values()):
            point.left_alone = "tied to a layer before"
        self._by_chain[id(chain)] = point
        return point

    # The variances

    def _choose_variances(self) -> None:
        hidden = [point for point in self.points if point.is_hidden]
        depth = max(1, sum(point.applied.name != "linear" for point in hidden))
        chosen = [self._variance(point, depth) for point in hidden]
        for place, point in enumerate(hidden):
            # What has no variance of its own takes the next one, or the last.
            others = (*chosen[place:], *reversed(chosen[:place]))
            point.q = next((q for q in others if q is not None), 1.0)
            with naming(point):
                point.moments = point.applied.moments(point.q)
            if rest_of(point.q, point.moments) < 0:
                raise no_point(point, f"which has none at q={point.q:g}")

    def _variance(self, point: Point, depth: int) -> float | None:
        """The variance that an activation wants; None for any."""
        if not isinstance(self._q, str):
            return float(self._q)
        with naming(point):
            found = point.applied.stability
        if found.kind == "neutral":
            return None
        if found.kind in ("none", "unstable"):
            kind = "none" if found.kind == "none" else "no stable one"
            raise no_point(point, f"which has {kind}")
        if found.stable_q is None:
            return min(1 / depth, found.unstable_q or math.inf)
        if self._q == "stable" or found.most_stable_q is None:
            return found.stable_q
        return found.most_stable_q

    # The standard deviations

    def _set(self, point: Point) -> None:
        chain, source = point.chain, point.chain.source
        if chain.is_output:
            point.notes.append("output of variance 1")
        before = None if source.layer is None else self._by_chain[id(source.layer)]
        if source.kind == KERNEL and before is not None and before.is_set:
            self._set_after(point, before)
        elif source.kind in (INPUT, NORMALIZED):
            self._set_first(point)
        else:
            name = source.name if before is None else before.path
            self._set_after_unknown(point, name)
        if source.pooling and not self._is_measured:
            point.notes.append(f"{source.pooling} changes the variance: pass `x`")
        if chain.is_shared:
            point.notes.append("shared: set for its first call")

    def _set_after(self, point: Point, before: Point) -> None:
        """A kernel that gets the activation of a layer that is set."""
        activations, moments = point.chain.source.activations, before.moments
        if activations != before.chain.activations:
            # Several kernels get what different activations make of one layer.
            with naming(before):
                moments = self._applications.of(activations).moments(before.q)
            if rest_of(before.q, moments) < 0:
                raise no_point(before, "and another activation, which has none there")
        set_after(point, before.q, moments)

    def _set_first(self, point: Point) -> None:
        """A kernel that gets inputs of the model, or what a normalization makes."""
        source, moment = point.chain.source, 1.0
        if source.activations:
            with naming(point):
                moment = self._applications.of(source.activations).second_moment(1.0)
        point.sigma_w = math.sqrt(point.variance / moment)
        if source.kind == NORMALIZED:
            point.notes.append("after a normalization")
        elif self._is_measured:
            point.notes.append("first layer")
        else:
            point.notes.append("first layer: inputs of mean square 1 assumed")

    def _set_after_unknown(self, point: Point, name: str) -> None:
        """A kernel of which only a batch tells what it gets."""
        if not self._is_measured:
            raise _validate.error(
                _OWNER,
                "a batch of inputs `x`, where the theory does not tell what a kernel "
                "gets",
                f"x=None, and the layer {point.path!r} after {name}",
                "Pass a batch of real data. If it is an activation, put it into a "
                'layer, such as `keras.layers.Activation("gelu")`.',
            )
        point.sigma_w = math.sqrt(point.variance)
        point.notes.append(f"after {name}: only its variance is set")
