"""The root of a function of one number."""

from collections.abc import Callable


def root(
    function: Callable[[float], float],
    one: tuple[float, float],
    other: tuple[float, float],
) -> float:
    """A root between two points with values of different signs (Illinois)."""
    (a, at_a), (b, at_b) = one, other
    for _ in range(60):
        x = (a * at_b - b * at_a) / (at_b - at_a)
        at_x = function(x)
        if (at_x > 0) != (at_b > 0):
            a, at_a = b, at_b
        else:
            at_a /= 2
        is_close = abs(x - b) < 1e-10
        b, at_b = x, at_x
        if is_close or abs(at_x) < 1e-10:
            break
    return b
