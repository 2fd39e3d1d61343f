"""Follows the units of each layer through the graph of a model."""

import math

import keras

from keras_initx._backend.dataflow.operation import ADD, MULTIPLY, SIGMOID, SOFTMAX
from keras_initx._model.attention_layers import ATTENTIONS
from keras_initx._model.graph import INPUT, LAYER, Dataflow, Node
from keras_initx._model.sublayers import sublayers
from keras_initx.schemes._warm_start.attention_units import AttentionUnits
from keras_initx.schemes._warm_start.unit_roles import LayerUnits, Roles, layer_units
from keras_initx.schemes._warm_start.unit_spaces import Spaces, Units

_UNKNOWN = "the units before it are not known"


class UnitFlow:
    """Which axes of which variables number the same units.

    Attributes:
        spaces: Spaces.
        roles: dict. The axes of each variable that is understood, by its identity.
        layers: dict. The units that enter and leave each layer, by its identity; None
            for a layer that is not understood.
        axis: int. The axis of a tensor that numbers its units.
    """

    def __init__(self, model: keras.layers.Layer, graph: Dataflow) -> None:
        self.spaces = Spaces()
        self.roles: dict[int, Roles] = {}
        formats = {getattr(each, "data_format", None) for each in sublayers(model)}
        self.axis = 1 if "channels_first" in formats else -1
        self._nodes = graph.nodes
        self.layers: dict[int, LayerUnits | None] = {}
        self._attentions: dict[int, AttentionUnits] = {}
        # The units of what each node makes; None if nobody knows them.
        self._units: list[Units | None] = []
        for node in graph.nodes:
            self._units.append(self._leaving(node))
        for place in graph.outputs:
            for space in self.spaces.of(self._units[place] or ()):
                space.is_output = True

    def _leaving(self, node: Node) -> Units | None:
        """The units of what a node makes."""
        if node.kind == INPUT:
            return self._input(node)
        if node.kind == LAYER and node.layer is not None:
            return self._layer(node)
        if any(isinstance(parent, ATTENTIONS) for parent in node.parents):
            # What joins its projections; these know their units.
            return None
        if node.kind == SIGMOID:
            return self._units[node.sources[0]]
        if node.kind == SOFTMAX:
            return self._softmax(node)
        return self._joined(node)

    def _input(self, node: Node) -> Units | None:
        if node.shape is None or len(node.shape) < 2:
            return None
        units = self.spaces.add(node.shape[self.axis])
        self.spaces.of(units)[0].is_input = True
        return units

    def _softmax(self, node: Node) -> Units | None:
        """Copies of a unit would share its probability."""
        units = self._units[node.sources[0]]
        for space in self.spaces.of(units or ()):
            if not space.fixed:
                space.fixed = "a softmax is taken over them"
        return units

    def _layer(self, node: Node) -> Units | None:
        layer = node.layer
        if layer is None:
            return None
        known = self.layers.get(id(layer))
        if known is not None:
            # A layer that is shared.
            if known.inputs is None and self._is_reversed(node):
                return self._reversed(node, known)
            size = None if known.inputs is None else self.spaces.size(known.inputs)
            entering = self._entering(node, size)
            if known.inputs is not None and entering is not None:
                self.spaces.unite(known.inputs, entering)
            elif known.inputs is not None:
                self.spaces.fix(known.inputs, _UNKNOWN)
            return known.outputs
        found = self._described(node, layer)
        self.layers[id(layer)] = found
        if found is None:
            self._fix_sources(node, f"{layer.path} is not understood")
            return None
        self.roles |= {id(variable): roles for variable, roles in found.roles}
        return found.outputs

    def _is_reversed(self, node: Node) -> bool:
        """Whether a table of embeddings gets what it gives at other times."""
        units = [self._units[source] for source in node.sources]
        spaces = [space for each in units for space in self.spaces.of(each or ())]
        return not all(space.is_input for space in spaces)

    def _reversed(self, node: Node, known: LayerUnits) -> Units | None:
        """Scores of words are sums over the units of the table, also over copies."""
        reason = "a table is read in both directions"
        self.spaces.fix(known.outputs, reason)
        self._fix_sources(node, reason)
        return self.spaces.add(node.shape[-1], reason) if node.shape else None

    def _described(self, node: Node, layer: keras.layers.Layer) -> LayerUnits | None:
        parent = node.parents[-1] if node.parents else None
        if isinstance(parent, ATTENTIONS):
            if id(parent) not in self._attentions:
                self._attentions[id(parent)] = AttentionUnits(self.spaces, parent)
            entering = None
            if layer.name != "attention_output":
                entering = self._entering(node, layer.kernel.shape[0])
            return self._attentions[id(parent)].of(layer, entering)
        return layer_units(layer, self.spaces, lambda size: self._entering(node, size))

    def _entering(self, node: Node, size: int | None) -> Units | None:
        """The units that enter a layer, as an axis of this size: maybe flattened."""
        units = self._units[node.sources[0]] if node.sources else None
        for source in node.sources[1:]:
            self.spaces.fix(self._units[source] or (), _UNKNOWN)
        if units is None or size is None:
            return units
        total = self.spaces.size(units)
        if size == total:
            return units
        if total and size % total == 0 and self.axis == -1:
            return units * (size // total)
        self.spaces.fix(units, "the axis of its units changes")
        return None

    def _joined(self, node: Node) -> Units | None:
        """Several tensors that become one."""
        found = [self._units[source] for source in node.sources]
        shapes = [self._nodes[source].shape for source in node.sources]
        units = [each for each in found if each is not None]
        if len(units) == len(found) and node.shape is not None and None not in shapes:
            sizes = [self.spaces.size(each) for each in units]
            size = node.shape[self.axis] if len(node.shape) > 1 else 0
            if node.kind == MULTIPLY:
                # One factor for all units is none of them.
                units = [u for u in units if self.spaces.size(u) > 1] or units
                sizes = [self.spaces.size(each) for each in units]
            is_entrywise = node.kind in (ADD, MULTIPLY) or _is_entrywise(
                node.shape, shapes, self.axis
            )
            if is_entrywise and {*sizes} == {size}:
                for other in units[1:]:
                    self.spaces.unite(units[0], other)
                return units[0]
            if not is_entrywise and sum(sizes) == size:
                return tuple(each for one in units for each in one)
        self._fix_sources(node, "an operation on them is not understood")
        return None

    def _fix_sources(self, node: Node, reason: str) -> None:
        for source in node.sources:
            self.spaces.fix(self._units[source] or (), reason)


def _is_entrywise(
    shape: tuple[int, ...], shapes: list[tuple[int, ...] | None], axis: int
) -> bool:
    """Whether tensors meet entry by entry, or in a row along an axis without units.

    In a row stand steps, and tokens.
    """
    known = [each for each in shapes if each is not None]
    if all(each == shape for each in known):
        return True
    if any(len(each) != len(shape) or each[axis] != shape[axis] for each in known):
        return False
    return sum(math.prod(each) for each in known) == math.prod(shape)
