"""Wider and smaller layers: the arrays of the source with copied or selected units.

A unit that has copies gives the same output in each of them, and the weights of what
reads it are shared among them in random parts that add up to 1 (Chen et al. 2016,
"Net2Net"). The function stays, and the copies get different gradients.
"""

from typing import Any

import keras
import numpy as np

from keras_initx.schemes._warm_start.draws import uniform_numbers
from keras_initx.schemes._warm_start.pairing import Pairs
from keras_initx.schemes._warm_start.unit_flow import UnitFlow
from keras_initx.schemes._warm_start.unit_roles import Roles
from keras_initx.schemes._warm_start.unit_spaces import Space, Spaces, continued


class UnitCopies:
    """Says for each variable which units of the source it continues, and how.

    Args:
        flow: UnitFlow. Of the model.
        pairs: dict. The variables of the source.
        handled: dict. Of variables, by identity, the axis that another rule resizes.
    """

    def __init__(self, flow: UnitFlow, pairs: Pairs, handled: dict[int, int]) -> None:
        self.flow = flow
        self._spaces = flow.spaces
        self._handled = handled
        self._shapes = {number: source.shape for number, source in pairs.items()}
        paired = [
            (roles, pairs[number].shape)
            for number, roles in flow.roles.items()
            if number in pairs and len(pairs[number].shape) == len(roles.axes)
        ]
        # Axes of one space say how large it was, before those of several are judged.
        for is_plain in (True, False):
            for roles, shape in paired:
                for units, size in zip(roles.axes, shape, strict=True):
                    if units and (len(set(self._roots(units))) == 1) == is_plain:
                        self._note(units, size)
        while self._spread(pairs):
            pass

    def roles(self, variable: keras.Variable) -> Roles | None:
        """What the axes of a variable number, if it is known."""
        return self.flow.roles.get(id(variable))

    def refusal(self, variable: keras.Variable, axes: list[int]) -> str:
        """Why these axes of a variable cannot be resized; empty if they can."""
        roles = self.roles(variable)
        if roles is None:
            return "what its axes mean is not known"
        for axis in axes:
            units = roles.axes[axis]
            if units is None:
                return f"axis {axis} numbers no units"
            for space in self._spaces.of(units):
                if _is_stuck(space):
                    return space.reason
            if self._spaces.old_size(units) != self._shapes[id(variable)][axis]:
                return "it reads layers that the source does not have"
        return ""

    def _spread(self, pairs: Pairs) -> bool:
        """Whether units turn out to be stuck: what makes them is left as it is."""
        is_found = False
        for number, roles in self.flow.roles.items():
            axes = {a: units for a, units in enumerate(roles.axes) if units}
            axes.pop(self._handled.get(number, -1), None)
            stuck = {
                axis
                for axis, units in axes.items()
                if any(map(_is_stuck, self._spaces.of(units)))
            }
            if number not in pairs or not stuck:
                continue
            for axis, units in axes.items():
                if axis in roles.inputs:
                    continue
                for space in self._spaces.of(units):
                    if space.old != space.new and not space.reason:
                        space.fixed = "what makes them is left as it is"
                        is_found = True
        return is_found

    def changed(self) -> list[Space]:
        """The spaces whose number of units changes."""
        spaces = {id(s): s for u in self._used() for s in self._spaces.of(u)}
        return [s for s in spaces.values() if s.old != s.new and not s.reason]

    def has_copies(self) -> bool:
        """Whether there are more units than in the source."""
        return any(space.new > space.old for space in self.changed())

    def touches(self, variables: set[int]) -> bool:
        """Whether one of these variables stands among units that have copies.

        What only sums over them does not.
        """
        return any(
            space.new > space.old and not space.reason
            for number, roles in self.flow.roles.items()
            if number in variables
            for axis, units in enumerate(roles.axes)
            if units and axis not in roles.inputs
            for space in self._spaces.of(units)
        )

    def notes(self) -> list[str]:
        """What a mean over units makes of copies."""
        uneven = {
            (space.old, space.new)
            for space in self.changed()
            if space.is_normalized and space.new > space.old and space.new % space.old
        }
        return [
            f"{old} units become {new}, and a normalization takes the mean over them: "
            f"the function is kept only if {new} is a multiple of {old}."
            for old, new in sorted(uneven)
        ]

    def sizes(self) -> set[tuple[int, int]]:
        """The old and the new numbers of units of these spaces."""
        return {(space.old, space.new) for space in self.changed()}

    def resized(self, variable: keras.Variable, old: np.ndarray, seed: Any) -> Any:
        """The array of the source, with the units that the variable has."""
        roles = self.flow.roles[id(variable)]
        return resized(old, roles, self._spaces, seed)

    def _used(self) -> list[tuple[int, ...]]:
        axes = (roles.axes for roles in self.flow.roles.values())
        return [units for each in axes for units in each if units]

    def _roots(self, units: tuple[int, ...]) -> list[int]:
        return [id(space) for space in self._spaces.of(units)]

    def _note(self, units: tuple[int, ...], size: int) -> None:
        """An axis of these units has this size in the source."""
        spaces = self._spaces.of(units)
        if len({id(space) for space in spaces}) == 1:
            if size % len(units):
                spaces[0].fixed = spaces[0].fixed or "its parts are of unequal size"
            spaces[0].olds.add(size // len(units))
        elif self._spaces.old_size(units) != size:
            self._spaces.fix(units, "the shapes of the source contradict each other")


def _is_stuck(space: Space) -> bool:
    """Whether its units should change, and cannot."""
    return bool(space.reason) and (space.old != space.new or len(space.olds) > 1)


def resized(old: np.ndarray, roles: Roles, spaces: Spaces, seed: Any) -> np.ndarray:
    """The array whose units continue those of the source."""
    new, joint, sizes = old, np.zeros((), "int64"), []
    for axis, units in enumerate(roles.axes):
        indices = np.arange(old.shape[axis])
        # Another rule may have given the axis its new size.
        if units and old.shape[axis] == spaces.old_size(units):
            indices = spaces.indices(units)
            new = np.take(new, indices, axis)
        if axis in roles.inputs:
            joint = np.add.outer(joint * old.shape[axis], indices)
            sizes.append(old.shape[axis])
    if roles.is_query:
        new = new * _parts_of_scores(roles, spaces, seed)
    if np.unique(joint).size < joint.size:
        new = new * _parts(new.shape, roles.inputs, joint, seed)
    return new.astype(old.dtype)


def _parts(
    shape: tuple[int, ...], inputs: tuple[int, ...], joint: np.ndarray, seed: Any
) -> np.ndarray:
    """Random numbers whose sum over the copies of each input is 1.

    Args:
        shape: tuple of int. That of the kernel.
        inputs: tuple of int. Its axes of inputs.
        joint: np.ndarray. The old input that each input continues.
        seed: int or `keras.random.SeedGenerator`.
    """
    drawn = 0.5 + uniform_numbers(shape, seed)
    order = (*inputs, *(axis for axis in range(len(shape)) if axis not in inputs))
    parts = drawn.transpose(order).reshape(joint.size, -1)
    sums = np.zeros((joint.max() + 1, parts.shape[1]))
    np.add.at(sums, joint.reshape(-1), parts)
    parts = parts / sums[joint.reshape(-1)]
    parts = parts.reshape([shape[axis] for axis in order])
    return parts.transpose(np.argsort(order))


def _parts_of_scores(roles: Roles, spaces: Spaces, seed: Any) -> np.ndarray:
    """The factors of queries, so that scores of heads with more numbers are the same.

    A score is divided by the root of how many there are.
    """
    (space,) = spaces.of(roles.axes[-1] or ())
    if space.new <= space.old:
        return np.ones(())
    copies = np.bincount(continued(space.old, space.new))
    factors = np.sqrt(space.new / space.old) / copies[continued(space.old, space.new)]
    return factors


def repeated(old: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array whose axes all number units, and none is summed over."""
    for axis, size in enumerate(shape):
        if old.shape[axis] != size:
            old = np.take(old, continued(old.shape[axis], size), axis)
    return old
