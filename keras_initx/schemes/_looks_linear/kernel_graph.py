"""The kernels and the activations in the graph of a model, and the ways between them.

The graph has each layer as a node: see `dataflow`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from keras import layers

from keras_initx._backend.dataflow.operation import SIGMOID, SOFTMAX
from keras_initx._model.convolutions import DEPTHWISE
from keras_initx._model.graph import LAYER, Dataflow, Node
from keras_initx._model.layer_kernel import LayerKernel, layer_kernel
from keras_initx._model.sublayers import OPAQUE
from keras_initx.schemes._looks_linear.odd_part import activation_of


class KernelGraph:
    """The nodes by what they do; a node is named by its place in the graph.

    Attributes:
        kernels: dict. From the nodes with a kernel to its description.
        bends: dict. From the nodes whose output is bent to the activation that does it.
        inner: set of int. The nodes whose output reaches a kernel.
        after: set of int. All others.
        used: set of int. The nodes whose output reaches one of the model.
        free: set of int. The last activations, and what comes after them.
    """

    def __init__(self, graph: Dataflow) -> None:
        self.nodes = graph.nodes
        self.kernels = {n: k for n, k in enumerate(map(_kernel, graph.nodes)) if k}
        self.bends = {n: a for n, a in enumerate(map(_bend, graph.nodes)) if a}
        self._next: list[list[int]] = [[] for _ in graph.nodes]
        for place, node in enumerate(graph.nodes):
            for source in node.sources:
                self._next[source].append(place)
        places = range(len(graph.nodes))
        self.inner = {place for place in places if self._reaches_kernel(place)}
        self.after = {*places} - self.inner
        self.used = self._used(graph.outputs)
        self.free = self._free()

    def layer(self, place: int) -> layers.Layer:
        """The layer of a node that has one."""
        layer = self.nodes[place].layer
        if layer is None:
            raise TypeError("This node is no layer.")
        return layer

    def layers(self, places: Iterable[int]) -> set[int]:
        """The identities of the layers of these nodes."""
        found = (self.nodes[place].layer for place in places)
        return {id(layer) for layer in found if layer is not None}

    def before(self, place: int) -> list[int]:
        """The kernels and activations from which a node gets its inputs."""
        return self._walk(self.nodes[place].sources, lambda n: self.nodes[n].sources)

    def followers(self, place: int) -> list[int]:
        """The kernels and activations that get the output of a node."""
        return self._walk(self._next[place], self._next.__getitem__)

    def keeps_channels(self, place: int) -> bool:
        """Whether this is a depthwise convolution."""
        return isinstance(self.nodes[place].layer, DEPTHWISE)

    def _walk(
        self, starts: Iterable[int], step: Callable[[int], Iterable[int]]
    ) -> list[int]:
        """What comes first on each way, and the depthwise convolutions before that."""
        found, waiting = dict[int, None](), list(starts)
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found[place] = None
            is_kernel = place in self.kernels and not self.keeps_channels(place)
            if not is_kernel and place not in self.bends:
                waiting += step(place)
        return [n for n in found if n in self.kernels or n in self.bends]

    def _reaches_kernel(self, place: int) -> bool:
        found, waiting = {place}, [place]
        while waiting:
            for each in self._next[waiting.pop()]:
                if each in self.kernels:
                    return True
                if each not in found:
                    found.add(each)
                    waiting.append(each)
        return False

    def _used(self, outputs: Iterable[int]) -> set[int]:
        found = {*outputs}
        for place in range(len(self.nodes) - 1, -1, -1):
            if place in found:
                found.update(self.nodes[place].sources)
        return found

    def _free(self) -> set[int]:
        free: set[int] = set()
        for place, node in enumerate(self.nodes):
            is_bent = place in self.bends or node.kind in (SIGMOID, SOFTMAX)
            if place in self.after and (is_bent or free.intersection(node.sources)):
                free.add(place)
        return free


def _kernel(node: Node) -> LayerKernel | None:
    """The kernel of a node, or None."""
    if node.kind != LAYER or node.layer is None or isinstance(node.layer, OPAQUE):
        return None
    described = layer_kernel(node.layer)
    return described if described is not None and described.kernels else None


def _bend(node: Node) -> Any:
    """The activation of a node, or None."""
    is_layer = node.kind == LAYER and node.layer is not None
    return activation_of(node.layer) if is_layer else None
