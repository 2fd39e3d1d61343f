"""Which rectifiers stand before and after each kernel of a model."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

from keras import layers

from keras_initx import _validate
from keras_initx._backend.dataflow.operation import SIGMOID, SOFTMAX
from keras_initx._model.branches.paths import is_normalization
from keras_initx._model.convolutions import DEPTHWISE
from keras_initx._model.graph import LAYER, Dataflow, Node
from keras_initx._model.layer_kernel import LayerKernel, layer_kernel
from keras_initx._model.sublayers import OPAQUE
from keras_initx.layers import CReLU
from keras_initx.schemes._looks_linear.odd_part import activation_of, odd_factor

OWNER = "looks_linear"


@dataclasses.dataclass
class Role:
    """What a layer with a kernel is for.

    Attributes:
        layer: keras.layers.Layer.
        described: LayerKernel.
        factors: set of float. The c of each rectifier whose output reaches it.
        is_mirrored: bool. Whether its outputs go to a rectifier in pairs.
        groups: int. In so many runs its outputs are mirrored.
        is_last: bool. Whether its output reaches no other kernel.
    """

    layer: layers.Layer
    described: LayerKernel
    factors: set[float] = dataclasses.field(default_factory=set)
    is_mirrored: bool = False
    groups: int = 1
    is_last: bool = False


class Roles:
    """The roles of all layers in a graph that has each layer as a node.

    Attributes:
        by_layer: dict. From the identities of layers with a kernel to their roles.
        checked: set of int. The layers whose output has to be linear or in pairs.
        ends: set of int. The layers after all kernels whose output has to be linear.
        has_linear_end: bool. Whether this holds for the model's outputs too.
    """

    def __init__(self, graph: Dataflow) -> None:
        self._nodes = graph.nodes
        self._kernels = {n: k for n, k in enumerate(map(_kernel, graph.nodes)) if k}
        self._bends = {n: a for n, a in enumerate(map(_bend, graph.nodes)) if a}
        self._next: list[list[int]] = [[] for _ in graph.nodes]
        for place, node in enumerate(graph.nodes):
            for source in node.sources:
                self._next[source].append(place)
        self.by_layer: dict[int, Role] = {}
        for place, described in self._kernels.items():
            layer = self._layer(place)
            self.by_layer.setdefault(id(layer), Role(layer, described))
        inner = {n for n in range(len(graph.nodes)) if self._reaches_kernel(n)}
        self._find_rectifiers(inner)
        self._check_normalizations(inner)
        free = self._free(inner)
        after = {*range(len(graph.nodes))} - inner
        # A layer that is called at several places may have to be one thing here, and
        # another one there.
        self.checked = self._layers(inner) - self._layers(after)
        self.ends = self._layers(after - free) - self._layers(inner | free)
        self.has_linear_end = not free & {*graph.outputs}
        for place in after.intersection(self._kernels):
            self.by_layer[id(self._layer(place))].is_last = True

    # What stands where

    def _layer(self, place: int) -> layers.Layer:
        layer = self._nodes[place].layer
        if layer is None:
            raise TypeError("This node is no layer.")
        return layer

    def _layers(self, places: Iterable[int]) -> set[int]:
        found = (self._nodes[place].layer for place in places)
        return {id(layer) for layer in found if layer is not None}

    def _role(self, place: int) -> Role:
        return self.by_layer[id(self._layer(place))]

    def _keeps_channels(self, place: int) -> bool:
        return isinstance(self._nodes[place].layer, DEPTHWISE)

    def _walk(
        self, starts: Iterable[int], step: Callable[[int], Iterable[int]]
    ) -> list[int]:
        """The kernels and rectifiers that come first on each way, and depthwise ones.

        The walk ends at a kernel, unless it is a depthwise one without an activation.
        """
        found, waiting = dict[int, None](), list(starts)
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found[place] = None
            is_kernel = place in self._kernels and not self._keeps_channels(place)
            if not is_kernel and place not in self._bends:
                waiting += step(place)
        return [n for n in found if n in self._kernels or n in self._bends]

    def _before(self, place: int) -> list[int]:
        sources = self._nodes[place].sources
        return self._walk(sources, lambda n: self._nodes[n].sources)

    def _reaches_kernel(self, place: int) -> bool:
        found, waiting = {place}, [place]
        while waiting:
            for each in self._next[waiting.pop()]:
                if each in self._kernels:
                    return True
                if each not in found:
                    found.add(each)
                    waiting.append(each)
        return False

    def _free(self, inner: set[int]) -> set[int]:
        """The last activations, and what comes after them."""
        free: set[int] = set()
        for place, node in enumerate(self._nodes):
            is_bent = place in self._bends or node.kind in (SIGMOID, SOFTMAX)
            if place not in inner and (is_bent or free.intersection(node.sources)):
                free.add(place)
        return free

    # Rectifiers

    def _find_rectifiers(self, inner: set[int]) -> None:
        factors = {n: self._factor(n) for n in self._bends if n in inner}
        for place in self._kernels:
            before = self._before(place)
            found = {factors[n] for n in before if n in factors}
            self._role(place).factors |= found
        plain = [n for n in factors if not isinstance(self._bends[n], CReLU)]
        makers = {n: self._makers(n) for n in plain}
        takers = {
            n: [k for k in self._walk(self._next[n], self._next.__getitem__)]
            for n in plain
        }
        for place in plain:
            for maker in makers[place]:
                self._role(maker).is_mirrored = True
        self._find_groups(makers, takers)

    def _factor(self, place: int) -> float:
        activation = self._bends[place]
        factor = odd_factor(activation)
        if factor is None:
            name = getattr(activation, "__name__", type(activation).__name__)
            raise _validate.error(
                OWNER,
                "activations for which f(x) - f(-x) is proportional to x, such as "
                "'relu', 'leaky_relu', 'gelu', 'silu' and 'softplus'",
                f"the activation {name} of {label(self._layer(place))}",
                "Change it. Only the last activation of a model may be any.",
            )
        return factor

    def _makers(self, place: int) -> list[int]:
        """The kernels that make the pre-activation of a rectifier."""
        found = self._before(place)
        if place in self._kernels:
            found = [place, *(found if self._keeps_channels(place) else ())]
        return [
            n
            for n in found
            if n in self._kernels and (n == place or n not in self._bends)
        ]

    def _find_groups(
        self, makers: dict[int, list[int]], takers: dict[int, list[int]]
    ) -> None:
        """No pair may lie in two groups of a convolution, before it or after it."""
        groups = {
            n: math.lcm(*(self._groups(k) for k in (*makers[n], *takers[n])))
            for n in makers
        }
        is_changed = True
        while is_changed:
            is_changed = False
            for place, count in groups.items():
                roles = [self._role(n) for n in makers[place]]
                common = math.lcm(count, *(role.groups for role in roles))
                is_changed |= any(role.groups != common for role in roles)
                groups[place] = common
                for role in roles:
                    role.groups = common

    def _groups(self, place: int) -> int:
        described = self._kernels.get(place)
        return 1 if described is None else described.axes.groups

    def _check_normalizations(self, inner: set[int]) -> None:
        """Statistics of their own make the halves of a pair differ in training."""
        for place in inner:
            layer = self._nodes[place].layer
            if layer is None or not is_normalization(layer):
                continue
            if any(n in self._bends for n in self._before(place)):
                raise _validate.error(
                    OWNER,
                    "no normalization between a rectifier and the next kernel",
                    f"{label(layer)} ({type(layer).__name__})",
                    "Put it between the kernel and the rectifier, or remove it.",
                )


def label(layer: layers.Layer) -> str:
    """The path of a layer; its name if it has no variables, and so no path."""
    return layer.path or layer.name


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
