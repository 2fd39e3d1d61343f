"""What stands inside a branch: its kernels, and how its output depends on them."""

import dataclasses
from collections.abc import Iterable

from keras_initx._backend.dataflow.operation import ADD, MULTIPLY, SIGMOID, SOFTMAX
from keras_initx._model.branches.paths import Paths, has_kernel
from keras_initx._model.graph import INPUT


@dataclasses.dataclass(frozen=True)
class Inside:
    """The nodes of a branch, by what they are to its output.

    Attributes:
        places: list of int. All of them, in the order of execution.
        kernels: list of int. Those with a kernel.
        linear: set of int. The kernels to whose scale the output is proportional.
        last: set of int. Those of them that no other one follows.
        degree: int. The power of a common scale with which the output grows.
        has_gate: bool.
        has_softmax: bool.
        is_cross: bool. Whether kernels read what does not come from the shortcut.
    """

    places: list[int]
    kernels: list[int]
    linear: set[int]
    last: set[int]
    degree: int
    has_gate: bool
    has_softmax: bool
    is_cross: bool


def inside(paths: Paths, start: int, end: int, taken: dict[int, int]) -> Inside:
    """Looks at the nodes between the input of a branch and its end.

    Args:
        paths: Paths.
        start: int. The node that enters the branch and the shortcut.
        end: int. The node that is added to the shortcut.
        taken: dict. The nodes of other branches, with the additions at which these end.
            Of a branch that ends before this one they do not count.
    """
    between = [
        place
        for place in paths.between(start, end)
        if place not in taken or not paths.comes_before(taken[place], end)
    ]
    aside = _from_aside(paths, start, between, taken)
    places = sorted({*between, *aside})
    kernels = [place for place in places if has_kernel(paths.nodes[place])]
    linear, last = _linear(paths, end, set(places))
    return Inside(
        places=places,
        kernels=kernels,
        linear=linear,
        last=last,
        degree=_degrees(paths, places)[end] if end in places else 0,
        has_gate=any(_gate(paths, place) is not None for place in between),
        has_softmax=any(paths.nodes[place].kind == SOFTMAX for place in places),
        is_cross=any(has_kernel(paths.nodes[place]) for place in aside),
    )


def _from_aside(
    paths: Paths, start: int, between: Iterable[int], taken: dict[int, int]
) -> set[int]:
    """The nodes that join from elsewhere, back to the first kernels.

    In attention to an encoder these are the kernels of keys and values.
    """
    known, found = {start, *between}, set()
    waiting = [s for place in between for s in paths.nodes[place].sources]
    while waiting:
        place = waiting.pop()
        node = paths.nodes[place]
        is_elsewhere = place in known or place in taken or paths.leads(place, start)
        if is_elsewhere or place in found or node.kind in (INPUT, ADD):
            continue
        found.add(place)
        if not has_kernel(node):
            waiting += node.sources
    # What is before a kernel that was reached on another way is not part of it.
    return found


def _linear(paths: Paths, end: int, places: set[int]) -> tuple[set[int], set[int]]:
    """The kernels that reach the end without a softmax or a gate, and the last ones."""
    linear, last, seen = set(), set(), set()
    waiting = [(end, True)]
    while waiting:
        place, is_first = waiting.pop()
        if place not in places or (place, is_first) in seen:
            continue
        seen.add((place, is_first))
        node = paths.nodes[place]
        if node.kind == SOFTMAX:
            continue
        if has_kernel(node):
            linear.add(place)
            if is_first:
                last.add(place)
            is_first = False
        gate = _gate(paths, place)
        waiting += [(s, is_first) for s in node.sources if s != gate]
    return linear, last


def _degrees(paths: Paths, places: list[int]) -> dict[int, int]:
    """The power of a common scale of the kernels with which each node grows."""
    degrees: dict[int, int] = {}
    for place in places:
        node, gate = paths.nodes[place], _gate(paths, place)
        before = [degrees.get(source, 0) for source in node.sources if source != gate]
        is_product = node.kind == MULTIPLY and gate is None
        degree = sum(before) if is_product else max(before, default=0)
        degrees[place] = 0 if node.kind == SOFTMAX else degree + has_kernel(node)
    return degrees


def _gate(paths: Paths, place: int) -> int | None:
    """The source of a product that is a gate of the other one; None without one.

    It is a function of the other one, as in squeeze-and-excitation, or a sigmoid.
    """
    node = paths.nodes[place]
    if node.kind != MULTIPLY or len(node.sources) != 2:
        return None
    one, other = node.sources
    if paths.leads(one, other):
        return other
    if paths.leads(other, one):
        return one
    sigmoids = [s for s in node.sources if paths.nodes[s].kind == SIGMOID]
    return sigmoids[0] if len(sigmoids) == 1 else None
