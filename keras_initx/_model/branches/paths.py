"""Which nodes of a graph lie between two others, and how many kernels."""

from collections.abc import Iterable, Iterator

import keras

from keras_initx._keras import kernel_variable
from keras_initx._model.graph import LAYER, Node
from keras_initx._model.sublayers import OPAQUE


class Paths:
    """Questions about what leads where.

    The nodes before a node are the bits of an integer, so that a question costs the
    nodes that it is about, and not all of the graph.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self._before: list[int] = []
        for node in nodes:
            before = 0
            for source in node.sources:
                before |= self._before[source] | 1 << source
            self._before.append(before)

    def leads(self, start: int, end: int) -> bool:
        """Whether one node is before another."""
        return bool(self._before[end] >> start & 1)

    def comes_before(self, one: int, other: int) -> bool:
        """Whether one node leads to another, or is it."""
        return bool(self._with(other) >> one & 1)

    def common(self, one: int, other: int) -> Iterator[int]:
        """The nodes that lead to both, or are one of them, the last one first.

        An earlier one is told only if there is a way from it around the later one.
        """
        ends = (one, other)
        rest = self._with(one) & self._with(other)
        while rest:
            start = rest.bit_length() - 1
            yield start
            around = 0
            for place in self.around(start, ends):
                around |= self._with(place)
            rest &= around & (1 << start) - 1

    def around(self, start: int, ends: Iterable[int]) -> set[int]:
        """The nodes that join the ways from `start` to the ends from elsewhere."""
        return {
            source
            for end in ends
            for place in self.between(start, end)
            for source in self.nodes[place].sources
            if source != start and not self.leads(start, source)
        }

    def between(self, start: int, end: int) -> list[int]:
        """The nodes on the ways from one to the other, with `end`, without `start`."""
        found, rest = [], self._with(end) >> start + 1
        while rest:
            lowest = rest & -rest
            place = start + lowest.bit_length()
            rest ^= lowest
            if self.leads(start, place):
                found.append(place)
        return found

    def least_kernels(self, start: int, end: int) -> int:
        """How many kernels the way with the fewest of them goes through."""
        least = {start: 0}
        for place in self.between(start, end):
            node = self.nodes[place]
            known = [least[source] for source in node.sources if source in least]
            least[place] = min(known) + has_kernel(node)
        return least[end]

    def _with(self, place: int) -> int:
        return self._before[place] | 1 << place


def has_kernel(node: Node) -> bool:
    """Whether this is a call of a layer that multiplies its inputs by a matrix."""
    layer = node.layer
    if node.kind != LAYER or layer is None:
        return False
    if isinstance(layer, (*OPAQUE, keras.layers.Embedding)):
        return True
    if kernel_variable(layer) is not None:
        return True
    if is_normalization(layer) or isinstance(layer, keras.layers.PReLU):
        # A weight for each entry of what it gets: its shape says nothing.
        return False
    return any(sum(size > 1 for size in v.shape) > 1 for v in layer.weights)


def is_normalization(layer: keras.layers.Layer) -> bool:
    """Whether a layer divides by the scale of what it gets, by the name of its class.

    People write their own ones.
    """
    return "norm" in type(layer).__name__.lower()
