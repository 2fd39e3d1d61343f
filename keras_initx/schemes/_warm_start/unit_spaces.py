"""Spaces of units: axes of several arrays that number the same units.

Where a layer gets wider, the axis of its outputs, its bias, and the input axes of the
kernels that read it change together. An axis is a sequence of spaces: after a
concatenation there are two of them, after flattening one many times, and the gates of a
recurrent kernel stand side by side.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_initx.schemes._warm_start.selected_units import evenly_spaced

# An axis, as the numbers of its spaces.
Units = tuple[int, ...]


@dataclasses.dataclass
class Space:
    """Units that several arrays number.

    Attributes:
        new: int. How many the model has.
        olds: set of int. How many the source has; several are a contradiction.
        fixed: str. Why they cannot be others than in the source; empty if they can.
        is_input: bool. Whether the data of a user fill them.
        is_output: bool. Whether they are an output of the model.
        makers: set of int. The identities of the kernels that make them.
        is_normalized: bool. Whether a mean over the units is taken.
    """

    new: int
    olds: set[int] = dataclasses.field(default_factory=set)
    fixed: str = ""
    is_input: bool = False
    is_output: bool = False
    makers: set[int] = dataclasses.field(default_factory=set)
    is_normalized: bool = False

    @property
    def old(self) -> int:
        """How many units the source has; as many as the model if it says nothing."""
        return next(iter(self.olds), self.new)

    @property
    def is_head(self) -> bool:
        """Whether one layer alone makes them, and nothing reads them: the classes."""
        return self.is_output and len(self.makers) == 1

    @property
    def reason(self) -> str:
        """Why their number cannot change; empty if it can."""
        if len(self.olds) > 1:
            return "the shapes of the source contradict each other"
        if self.is_input:
            return "other inputs"
        return "other class count" if self.is_head else self.fixed

    def merge(self, other: "Space") -> None:
        """Becomes the space of both."""
        self.olds |= other.olds
        self.makers |= other.makers
        self.fixed = self.fixed or other.fixed
        self.is_input |= other.is_input
        self.is_output |= other.is_output
        self.is_normalized |= other.is_normalized


class Spaces:
    """All spaces of a model; two can turn out to be one."""

    def __init__(self) -> None:
        self._spaces: list[Space] = []
        self._same: list[int] = []
        # Spaces that turned out to be several ones side by side.
        self._parts: dict[int, Units] = {}

    def add(self, size: int, fixed: str = "") -> Units:
        """An axis of units of its own."""
        self._spaces.append(Space(size, fixed=fixed))
        self._same.append(len(self._same))
        return (len(self._same) - 1,)

    def of(self, units: Units) -> list[Space]:
        """The spaces of an axis, in their order."""
        return [self._spaces[each] for each in self._flat(units)]

    def size(self, units: Units) -> int:
        """How many entries an axis of the model has."""
        return sum(space.new for space in self.of(units))

    def old_size(self, units: Units) -> int:
        """How many entries the same axis of the source has."""
        return sum(space.old for space in self.of(units))

    def unite(self, one: Units, other: Units) -> None:
        """Two axes whose units meet one by one, as in an addition."""
        one, other = self._flat(one), self._flat(other)
        for whole, parts in ((one, other), (other, one)):
            is_part = len(whole) == 1 < len(parts) and whole[0] not in parts
            if is_part and self.size(whole) == self.size(parts):
                # What makes them makes units of several spaces.
                self._parts[whole[0]] = parts
                for part in parts:
                    self._spaces[part].merge(self._spaces[whole[0]])
                return
        if [s.new for s in self.of(one)] != [s.new for s in self.of(other)]:
            self.fix((*one, *other), "units are joined with others")
            return
        for a, b in zip(one, other, strict=True):
            a, b = self._find(a), self._find(b)
            if a != b:
                self._spaces[a].merge(self._spaces[b])
                self._same[b] = a

    def fix(self, units: Iterable[int], reason: str) -> None:
        """Units whose number must not change."""
        for space in self.of(tuple(units)):
            space.fixed = space.fixed or reason

    def indices(self, units: Units) -> np.ndarray:
        """For each entry of an axis, that of the source which it continues."""
        parts, start = [], 0
        for space in self.of(units):
            parts.append(start + continued(space.old, space.new))
            start += space.old
        return np.concatenate(parts)

    def _flat(self, units: Units) -> Units:
        """The axis in terms of spaces that are not several ones."""
        roots = [self._find(each) for each in units]
        parts = [self._flat(self._parts.get(root, ())) or (root,) for root in roots]
        return tuple(each for part in parts for each in part)

    def _find(self, number: int) -> int:
        while self._same[number] != number:
            number = self._same[number]
        return number


def continued(old: int, new: int) -> np.ndarray:
    """For each of `new` units, which of `old` it continues.

    More units continue the old ones in turn, so that each has nearly as many copies.
    """
    return evenly_spaced(old, new) if new < old else np.arange(new) % old
