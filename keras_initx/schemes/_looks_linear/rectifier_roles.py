"""Which rectifiers stand before and after each kernel of a model."""

import dataclasses
import math

from keras import layers

from keras_initx import _validate
from keras_initx._model.branches.paths import is_normalization
from keras_initx._model.graph import Dataflow
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx._model.layer_tree import label
from keras_initx.layers import CReLU
from keras_initx.schemes._looks_linear.kernel_graph import KernelGraph
from keras_initx.schemes._looks_linear.odd_part import odd_factor

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


def unlike_calls(layer: layers.Layer) -> ValueError:
    """The error for a layer that cannot be right at all of its calls."""
    return _validate.error(
        OWNER,
        "a shared layer whose inputs stand in the same pairs at each call",
        f"{label(layer)}, which gets inputs in pairs at one call, and others at "
        "another call",
        "Use two layers.",
    )


class Roles:
    """The roles of all layers in a graph that has each layer as a node.

    Attributes:
        by_layer: dict. From the identities of layers with a kernel to their roles.
        checked: set of int. The layers whose output has to be linear or in pairs.
        ends: set of int. The layers after all kernels whose output has to be linear.
        has_linear_end: bool. Whether this holds for the model's outputs too.
    """

    def __init__(self, dataflow: Dataflow) -> None:
        self._graph = graph = KernelGraph(dataflow)
        self.by_layer: dict[int, Role] = {}
        for place, described in graph.kernels.items():
            layer = graph.layer(place)
            self.by_layer.setdefault(id(layer), Role(layer, described))
        self._find_rectifiers()
        self._check_normalizations()
        # A layer that is called at several places may have to be one thing here, and
        # another one there.
        inner, after, free = graph.inner, graph.after, graph.free
        self.checked = graph.layers(inner) - graph.layers(after)
        ends = after & graph.used - free
        self.ends = graph.layers(ends) - graph.layers(inner | free)
        self.has_linear_end = not free & {*dataflow.outputs}
        for place in after.intersection(graph.kernels):
            self._role(place).is_last = True

    def _role(self, place: int) -> Role:
        return self.by_layer[id(self._graph.layer(place))]

    def _find_rectifiers(self) -> None:
        graph = self._graph
        factors = {n: self._factor(n) for n in graph.bends if n in graph.inner}
        is_first = dict[int, bool]()
        for place in graph.kernels:
            found = {factors[n] for n in graph.before(place) if n in factors}
            role = self._role(place)
            if is_first.setdefault(id(role), not found) == bool(found):
                raise unlike_calls(role.layer)
            role.factors |= found
        plain = [n for n in factors if not isinstance(graph.bends[n], CReLU)]
        makers = {n: self._makers(n) for n in plain}
        for place in plain:
            for maker in makers[place]:
                self._role(maker).is_mirrored = True
        self._find_groups(makers)

    def _factor(self, place: int) -> float:
        """The c of an activation before a kernel, or an error."""
        activation = self._graph.bends[place]
        factor = odd_factor(activation)
        if factor is None:
            name = getattr(activation, "__name__", type(activation).__name__)
            raise _validate.error(
                OWNER,
                "activations for which f(x) - f(-x) is proportional to x, such as "
                "'relu', 'leaky_relu', 'gelu', 'silu' and 'softplus'",
                f"the activation {name} of {label(self._graph.layer(place))}",
                "Change it. Only the last activation of a model may be any.",
            )
        return factor

    def _makers(self, place: int) -> list[int]:
        """The kernels that make the pre-activation of a rectifier."""
        graph = self._graph
        found = [n for n in graph.before(place) if n not in graph.bends]
        if place not in graph.kernels:
            return found
        return [place, *(found if graph.keeps_channels(place) else ())]

    def _find_groups(self, makers: dict[int, list[int]]) -> None:
        """No pair may lie in two groups of a convolution, before it or after it."""
        groups = {
            n: math.lcm(*map(self._groups, (*found, *self._graph.followers(n))))
            for n, found in makers.items()
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
        described = self._graph.kernels.get(place)
        return 1 if described is None else described.axes.groups

    def _check_normalizations(self) -> None:
        """Statistics of their own make the halves of a pair differ in training."""
        graph = self._graph
        for place in graph.inner:
            layer = graph.nodes[place].layer
            if layer is None or not is_normalization(layer):
                continue
            if any(n in graph.bends for n in graph.before(place)):
                raise _validate.error(
                    OWNER,
                    "no normalization between a rectifier and the next kernel",
                    f"{label(layer)} ({type(layer).__name__})",
                    "Put it between the kernel and the rectifier, or remove it.",
                )
