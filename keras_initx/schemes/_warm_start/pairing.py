"""Which variable of the source stands for which variable of the model."""

import collections
from collections.abc import Iterator
from typing import Any

from keras_initx._model.branches.paths import is_normalization
from keras_initx.schemes._warm_start.fitness import Member, best_pairs
from keras_initx.schemes._warm_start.stored_layers import (
    StoredLayer,
    StoredVariable,
    container_of,
    is_automatic,
    number_of,
)

# The variables of the model, by identity, with those of the source.
Pairs = dict[int, StoredVariable]


class Pairing:
    """Pairs the layers of two trees, and then their variables.

    Args:
        from_the_end: bool. Whether, of layers without names of their own, the last ones
            are paired where there are several ways.
    """

    def __init__(self, from_the_end: bool = False) -> None:
        self.pairs: Pairs = {}
        self._from_the_end = from_the_end
        self._done: set[int] = set()

    def by_path(self, layer: StoredLayer, source: StoredLayer) -> "Pairing":
        """Layers at the same place, below layers at the same place.

        An attribute is its own place. Members of lists are paired by the names that a
        user gave. Those with names of Keras's, which count the layers of a program, are
        paired in their order, so that most shapes agree.
        """
        self._done.add(id(layer))
        self._variables(layer, source)
        rest = dict(source.children)
        for key, child in layer.children.items():
            if not container_of(key) and key in rest:
                self.by_path(child, rest.pop(key))
        for members, candidates in _lists(layer, source):
            for i, j in best_pairs(members, candidates, self._from_the_end):
                self.by_path(members[i].layer, candidates[j].layer)
                rest.pop(candidates[j].key, None)
        self._by_unique_names(layer, rest)
        return self

    def by_name(self, layer: StoredLayer, source: StoredLayer) -> "Pairing":
        """Layers with one name, wherever they stand, and what is below them by path."""
        found = _by_names(source.walk())
        counts = collections.Counter(each.name for each in layer.walk())
        for each in layer.walk():
            candidates = found.get(each.name, [])
            if id(each) not in self._done and counts[each.name] == len(candidates) == 1:
                self.by_path(each, candidates[0])
        return self

    def by_shape(self, layer: StoredLayer, source: StoredLayer) -> "Pairing":
        """Variables of one shape, in the order of the layers."""
        found = collections.defaultdict(list)
        for each in source.all_variables():
            found[each.shape].append(each)
        for each in layer.all_variables():
            if each.variable is not None and found[each.shape]:
                self.pairs[id(each.variable)] = found[each.shape].pop(0)
        return self

    def _by_unique_names(
        self, layer: StoredLayer, rest: dict[str, StoredLayer]
    ) -> None:
        """What is left, where a user gave the same name in another list."""
        names = _by_names(rest.values())
        for key, child in layer.children.items():
            candidates = names.get(child.name, [])
            is_open = id(child) not in self._done and not is_automatic(key, child.name)
            if is_open and len(candidates) == 1 and container_of(key):
                self.by_path(child, candidates[0])

    def _variables(self, layer: StoredLayer, source: StoredLayer) -> None:
        """The variables of two layers: by their keys, or by their names."""
        others = source.variables
        is_by_names = layer.variables.keys() != others.keys()
        if is_by_names:
            named = {v.name: v for v in others.values() if v.name}
            if not named and layer.layer is not None and is_normalization(layer.layer):
                # Which ones are missing, nobody says.
                return
            is_by_names = bool(named)
            others = named if named else others
        for key, each in layer.variables.items():
            other = others.get(str(each.name) if is_by_names else key)
            if each.variable is not None and other is not None:
                self.pairs[id(each.variable)] = other


def _by_names(layers: Any) -> dict[str, list[StoredLayer]]:
    found: dict[str, list[StoredLayer]] = collections.defaultdict(list)
    for each in layers:
        if each.name:
            found[each.name].append(each)
    return found


def _lists(
    layer: StoredLayer, source: StoredLayer
) -> Iterator[tuple[list[Member], list[Member]]]:
    """The members of lists at the same place, in the order that is known of both.

    A `.weights.h5` file says the order of layers of one class only.
    """
    ours, theirs = _members(layer), _members(source)
    for place in ours.keys() & theirs.keys():
        members, candidates = ours[place], theirs[place]
        if all(each.layer.rank is not None for each in (*members, *candidates)):
            yield sorted(members, key=_rank), sorted(candidates, key=_rank)
            continue
        for kind in dict.fromkeys(each.kind for each in members):
            yield _of_class(members, kind), _of_class(candidates, kind)


def _rank(member: Member) -> int:
    return member.layer.rank or 0


def _of_class(members: list[Member], kind: str) -> list[Member]:
    """The members of one class, in their order."""
    found = [each for each in members if each.kind == kind]
    return sorted(found, key=lambda member: number_of(member.key))


def _members(layer: StoredLayer) -> dict[str, list[Member]]:
    """The members of each list that have weights."""
    found: dict[str, list[Member]] = collections.defaultdict(list)
    for key, child in layer.children.items():
        if container_of(key):
            member = Member(key, child)
            if member.shapes:
                found[container_of(key)].append(member)
    return found


def pairings(
    match: str, layer: StoredLayer, source: StoredLayer
) -> tuple[Pairs, Pairs]:
    """The pairs by one way of matching, and, if there are others as good, these."""
    first, last = (
        getattr(Pairing(from_the_end), f"by_{match}")(layer, source).pairs
        for from_the_end in (False, True)
    )
    return first, last
