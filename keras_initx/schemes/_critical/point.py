"""What becomes of one layer, and the errors about it."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator

from keras_initx import _validate
from keras_initx.schemes._critical.applied import Applied
from keras_initx.schemes._critical.signals import ChainLayer

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
    def is_hidden(self) -> bool:
        """Whether the scheme changes the layer, and it makes no output."""
        return self.is_set and not self.chain.is_output


def rest_of(q: float, moments: tuple[float, float]) -> float:
    """The variance of biases at the critical point of a variance; negative if none."""
    moment, slope = moments
    rest = q - moment / slope
    return 0.0 if abs(rest) <= _ROUNDING * q else rest


def set_after(point: Point, q: float, moments: tuple[float, float]) -> None:
    """A kernel that gets an activation of a pre-activation of variance q.

    Args:
        point: Point.
        q: float.
        moments: tuple of float. The mean squares of the activation and of its slope.
    """
    moment, slope = moments
    rest, scale = rest_of(q, moments), point.variance / q
    if point.chain.is_output:
        point.sigma_w = math.sqrt(1 / moment)
    elif rest > 0 and point.chain.described.bias is None:
        point.sigma_w = math.sqrt(point.q / moment)
        growth = slope * q / moment
        point.notes.append(f"no bias: the gradient's mean square times {growth:.3g}")
    else:
        point.sigma_w = math.sqrt(scale / slope)
        point.sigma_b = math.sqrt(scale * rest)


@contextlib.contextmanager
def naming(point: Point) -> Iterator[None]:
    """A context in which the errors about an activation name the layer."""
    try:
        yield
    except ValueError as error:
        # What the mathematics of activations says that it needs.
        needs = str(error).partition(" needs ")[2].partition(". Received")[0]
        raise no_point(point, f"which is not {needs or error}") from error


def no_point(point: Point, reason: str) -> ValueError:
    return _validate.error(
        _OWNER,
        "activations that have a critical point in all hidden layers",
        f"the layer {point.path!r} with {point.applied.name!r}, {reason}",
        "Use another activation there, for example 'gelu' or 'tanh', or leave the "
        "layer out of `layers`.",
    )


def in_branch(point: Point) -> ValueError:
    return _validate.error(
        _OWNER,
        "a model whose layers follow one after the other",
        f"the layer {point.path!r} in a residual branch",
        "Use `depth_scale` or `fixup` for residual networks.",
    )
