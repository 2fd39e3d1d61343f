"""The four numbers of a shaped activation.

For each of many input shifts, bisection finds the input scale that gives the target.
Between two shifts where Q'(1) - 1 changes its sign there is a solution, from which
Newton's method starts with exact integrals.

There may be several. One that lies on a flat part of the activation has a slope of 1
there and a large one elsewhere: the signal would explode as soon as it gets there. So
steep ones are left out, as the authors do. Of the others, that one is taken which
changes other variances than 1 least.
"""

import numpy as np

from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._shape_equations import Equations, Shape

# Dense around 0, where kinks are.
_POSITIVE = np.geomspace(1e-3, 10.0, 41)
_SHIFTS = np.concatenate([-_POSITIVE[::-1], [0.0], _POSITIVE])
_LOG_SCALES = np.log(1e-4), np.log(30.0)
_HALVINGS = 30
_STEP = 1e-4
_ENOUGH, _ACCEPTED = 1e-8, 1e-4
# The largest slope of a shaped activation, and that above which another one is better.
_STEEPEST, _STEEP = 5.0, 2.0


def solve(f: Elementwise, branches: tuple[int, ...], target: float) -> Shape | None:
    """The best solution of the equations of all branches, or None.

    Args:
        f: Elementwise. Use it within `eagerly`.
        branches: tuple of ints, as in `Equations`.
        target: float, as in `Equations`.
    """
    steepest = np.abs(f.derivative(np.linspace(-10, 10, 2001))).max()
    found: list[tuple[float, float, float, Shape]] = []
    for branch in branches:
        equations = Equations(f, branch, target)
        for start in _starts(equations):
            shape = _solution(equations, start, _STEEPEST / steepest)
            if shape is not None:
                slope = shape.input_scale * shape.output_scale * steepest
                distance = equations.distance_from_identity(shape)
                # Of equal ones, as with odd activations, that with a positive shift.
                steep, far = (
                    float(f"{value:.3g}") for value in (max(slope, _STEEP), distance)
                )
                found.append((steep, far, -shape.input_shift, shape))
    return min(found)[-1] if found else None


def _starts(equations: Equations) -> list[np.ndarray]:
    """Points (log scale, shift) near the solutions."""
    low, high = (np.full(len(_SHIFTS), value) for value in _LOG_SCALES)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_above = equations.roughly(np.exp(middle), _SHIFTS)[0] > 0
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
    error, residual = equations.roughly(np.exp(high), _SHIFTS)
    residual[~(np.abs(error) < 0.1)] = np.nan
    points = np.stack([high, _SHIFTS], axis=1)
    starts = [points[index] for index in np.flatnonzero(residual == 0)]
    for index in np.flatnonzero(residual[:-1] * residual[1:] < 0):
        before, after = residual[index : index + 2]
        part = before / (before - after)
        starts.append((1 - part) * points[index] + part * points[index + 1])
    return starts


def _solution(equations: Equations, start: np.ndarray, limit: float) -> Shape | None:
    """The solution near a start, unless the product of its scales is above a limit."""

    def shape_at(point: np.ndarray) -> Shape | None:
        shape = equations.shape(float(np.exp(point[0])), float(point[1]))
        # Also not a number where rounding errors are all that is left.
        return shape if shape.input_scale * shape.output_scale <= limit else None

    # A start has the slope of its solution to a few percent.
    if shape_at(start) is None:
        return None
    point = _improved(equations, start)
    return None if point is None else shape_at(point)


def _improved(equations: Equations, point: np.ndarray) -> np.ndarray | None:
    """The point after steps of Newton, while these make the residuals smaller."""

    def residuals(at: np.ndarray) -> np.ndarray:
        return equations.exactly(float(np.exp(at[0])), float(at[1]))

    here = residuals(point)
    for _ in range(40):
        if not np.abs(here).max() > _ENOUGH:
            break
        steps = np.array([_STEP, _STEP * np.exp(point[0])])
        changes = [residuals(point + step) - here for step in np.diag(steps)]
        jacobian = np.stack(changes, axis=1) / steps
        move = -np.linalg.lstsq(np.nan_to_num(jacobian), here)[0]
        shorter = (move / 2**halvings for halvings in range(8))
        tried = ((point + each, residuals(point + each)) for each in shorter)
        limit = np.abs(here).max()
        better = next((t for t in tried if np.abs(t[1]).max() < limit), None)
        if better is None:
            break
        point, here = better
    return point if np.abs(here).max() < _ACCEPTED else None
