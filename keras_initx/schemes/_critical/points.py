"""The standard deviations of kernels and biases at the edge of chaos, layer by layer.

After an activation f of pre-activations of variance q, the critical point of f is

    sigma_w^2 = 1 / E[f'(sqrt(q) z)^2]
    sigma_b^2 = q - sigma_w^2 E[f(sqrt(q) z)^2]

If the next activation needs another variance q', both are multiplied by q' / q. That is
a change of units: the slope of the correlation map at 1 stays 1, and the gradient times
the pre-activation keeps its mean square.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from keras_initx import _validate
from keras_initx._model.left_alone import why_left_alone
from keras_initx._model.selection import Selection
from keras_initx.schemes._critical.applied import Applications, Applied
from keras_initx.schemes._critical.chain import (
    INPUT,
    KERNEL,
    NORMALIZED,
    ChainLayer,
)

_OWNER = "critical"
# Below this share of q the variance of a bias is the rounding of 0.
_ROUNDING = 1e-6


@dataclasses.dataclass(eq=False)
class Point:
    """What becomes of one layer.

    Attributes:
        chain: ChainLayer.
        applied: Applied. What follows it.
        left_alone: str. Why it stays as it is; empty if it does not.
        q: float. The variance that its pre-activation gets.
        sigma_w: float. The standard deviation of its kernel, times the root of the
            fan-in.
        sigma_b: float. That of its bias.
        moments: tuple of float. The mean squares of what follows it and of its slope,
            at the variance q, if it is hidden.
        notes: list of str.
    """

    chain: ChainLayer
    applied: Applied
    left_alone: str = ""
    q: float = 1.0
    sigma_w: float = 1.0
    sigma_b: float = 0.0
    moments: tuple[float, float] = (1.0, 1.0)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def path(self) -> str:
        """The path of the layer."""
        return self.chain.layer.path

    @property
    def is_set(self) -> bool:
        """Whether the scheme changes the layer."""
        return not self.left_alone

    @property
    def variance(self) -> float:
        """The variance of its pre-activation: 1 for an output."""
        return 1.0 if self.chain.is_output else self.q

    @property
    def rest(self) -> float:
        """The variance of biases at the critical point of what follows it."""
        moment, slope = self.moments
        rest = self.q - moment / slope
        return 0.0 if abs(rest) <= _ROUNDING * self.q else rest

    @property
    def is_hidden(self) -> bool:
        """Whether the scheme changes the layer, and it makes no output."""
        return self.is_set and not self.chain.is_output


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
                raise _in_branch(point)
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
            with _naming(point):
                point.moments = point.applied.moments(point.q)
            if point.rest < 0:
                raise _no_point(point, f"which has none at q={point.q:g}")

    def _variance(self, point: Point, depth: int) -> float | None:
        """The variance that an activation wants; None for any."""
        if not isinstance(self._q, str):
            return float(self._q)
        with _naming(point):
            found = point.applied.stability
        if found.kind == "neutral":
            return None
        if found.kind in ("none", "unstable"):
            kind = "none" if found.kind == "none" else "no stable one"
            raise _no_point(point, f"which has {kind}")
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
            _set_after(point, before)
        elif source.kind in (INPUT, NORMALIZED):
            self._set_first(point)
        else:
            name = source.name if before is None else before.path
            self._set_after_unknown(point, name)
        if source.pooling and not self._is_measured:
            point.notes.append(f"{source.pooling} changes the variance: pass `x`")
        if chain.is_shared:
            point.notes.append("shared: set for its first call")

    def _set_first(self, point: Point) -> None:
        """A kernel that gets inputs of the model, or what a normalization makes."""
        source, moment = point.chain.source, 1.0
        if source.activations:
            with _naming(point):
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


def _set_after(point: Point, before: Point) -> None:
    """A kernel that gets the activation of a layer that is set."""
    moment, slope = before.moments
    scale = point.variance / before.q
    if point.chain.is_output:
        point.sigma_w = math.sqrt(1 / moment)
    elif before.rest > 0 and point.chain.described.bias is None:
        point.sigma_w = math.sqrt(point.q / moment)
        growth = slope * before.q / moment
        point.notes.append(f"no bias: the gradient's mean square times {growth:.3g}")
    else:
        point.sigma_w = math.sqrt(scale / slope)
        point.sigma_b = math.sqrt(scale * before.rest)


@contextlib.contextmanager
def _naming(point: Point) -> Iterator[None]:
    """A context in which the errors about an activation name the layer."""
    try:
        yield
    except ValueError as error:
        # What the mathematics of activations says that it needs.
        needs = str(error).partition(" needs ")[2].partition(". Received")[0]
        raise _no_point(point, f"which is not {needs or error}") from error


def _no_point(point: Point, reason: str) -> ValueError:
    return _validate.error(
        _OWNER,
        "activations that have a critical point in all hidden layers",
        f"the layer {point.path!r} with {point.applied.name!r}, {reason}",
        "Use another activation there, for example 'gelu' or 'tanh', or leave the "
        "layer out of `layers`.",
    )


def _in_branch(point: Point) -> ValueError:
    return _validate.error(
        _OWNER,
        "a model whose layers follow one after the other",
        f"the layer {point.path!r} in a residual branch",
        "Use `depth_scale` or `fixup` for residual networks.",
    )
