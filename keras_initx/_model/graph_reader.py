"""Makes the graph of a model from the operations of a pass and the marks in it."""

import dataclasses
from collections.abc import Hashable

import keras

from keras_initx._backend.dataflow.operation import (
    ADD,
    MARK,
    OTHER,
    SIGMOID,
    SOFTMAX,
    Operation,
)
from keras_initx._keras import direct_sublayers, kernel_variable
from keras_initx._model.graph import INPUT, LAYER, Dataflow, Node
from keras_initx._model.marks import Marks
from keras_initx._model.observer import LayerCall
from keras_initx._model.sublayers import OPAQUE


@dataclasses.dataclass
class _Open:
    """A call of a layer whose operations are being read."""

    call: LayerCall
    is_whole: bool
    inputs: list[Hashable] = dataclasses.field(default_factory=list)
    outputs: list[Hashable] = dataclasses.field(default_factory=list)
    operations: list[Operation] = dataclasses.field(default_factory=list)


class GraphReader:
    """Makes the graph from the operations, one after the other."""

    def __init__(self, marks: Marks, has_leaves: bool = False) -> None:
        self._marks = marks
        self._has_leaves = has_leaves
        self._nodes: list[Node] = []
        # The node that made a tensor. What does not depend on the inputs has none.
        self._makers: dict[Hashable, int] = {}
        self._shapes: dict[Hashable, tuple[int, ...] | None] = {}
        self._open: list[_Open] = []
        self._outputs: tuple[int, ...] = ()

    def read(self, operations: list[Operation]) -> Dataflow:
        """The graph of all operations."""
        for operation in operations:
            self._shapes |= dict.fromkeys(operation.outputs[:1], operation.shape)
            if operation.kind == MARK:
                self._read_mark(operation)
            elif self._open and self._open[-1].is_whole:
                self._open[-1].operations.append(operation)
            else:
                self._add(operation.kind, operation)
        causal = (
            id(call.layer)
            for call in self._marks.calls
            if call.kwargs.get("use_causal_mask") is True
        )
        return Dataflow(self._nodes, self._outputs, frozenset(causal))

    def _read_mark(self, mark: Operation) -> None:
        """A tensor that a layer gets or returns."""
        (name,) = mark.inputs
        self._shapes[name] = mark.shape
        if mark.mark in self._marks.entered:
            call = self._marks.entered[mark.mark]
            if not (self._open and self._open[-1].call is call):
                if self._open and self._open[-1].is_whole:
                    # A part of a layer that is one node.
                    return
                self._open.append(_Open(call, self._is_node(call.layer)))
            self._open[-1].inputs.append(name)
            if len(self._open) == 1:
                self._makers[name] = self._append(INPUT, (), mark.shape)
            return
        call = self._marks.left[mark.mark]
        if not (self._open and self._open[-1].call is call):
            # A layer that got no tensor.
            return
        self._open[-1].outputs.append(name)
        if len(self._open[-1].outputs) == self._marks.counts[id(call)][1]:
            self._close(mark.shape)

    def _is_node(self, layer: keras.layers.Layer) -> bool:
        """Whether a layer is one node, whatever it does inside."""
        return _is_whole(layer) or (self._has_leaves and not direct_sublayers(layer))

    def _close(self, shape: tuple[int, ...] | None) -> None:
        """The end of a layer's call."""
        done = self._open.pop()
        if not self._open:
            makers = [self._makers[n] for n in done.outputs if n in self._makers]
            self._outputs = tuple(dict.fromkeys(makers))
        elif done.is_whole:
            inputs = done.inputs
            if not _is_known(done.call.layer):
                inputs = _needed(done)
            outputs = tuple(name for name in done.outputs if name not in inputs)
            if self._has_leaves and not done.call.layer.weights:
                # A dropout returns what it gets, and is a node all the same.
                outputs = tuple(done.outputs)
            operation = Operation(LAYER, tuple(inputs), outputs, shape)
            self._add(LAYER, operation, done.call.layer)
            bound = _bound(done)
            if bound is not None:
                self._add(bound, Operation(bound, outputs, outputs, shape))

    def _add(
        self,
        kind: str,
        operation: Operation,
        layer: keras.layers.Layer | None = None,
    ) -> None:
        """A node for this, unless it hands on one source or is a constant."""
        found = [self._makers[n] for n in operation.inputs if n in self._makers]
        sources = tuple(dict.fromkeys(found))
        if not sources:
            return
        maker = sources[0]
        shapes = {self._shapes.get(name) for name in operation.inputs} - {None}
        if kind == ADD and len(shapes) > 1:
            kind = OTHER
        is_seen = kind in (LAYER, SIGMOID, SOFTMAX)
        if is_seen or len(sources) > 1:
            maker = self._append(kind, sources, operation.shape, layer)
        self._makers |= dict.fromkeys(operation.outputs, maker)

    def _append(
        self,
        kind: str,
        sources: tuple[int, ...],
        shape: tuple[int, ...] | None,
        layer: keras.layers.Layer | None = None,
    ) -> int:
        parents = tuple(each.call.layer for each in self._open)
        self._nodes.append(Node(kind, sources, shape, layer, parents))
        return len(self._nodes) - 1


def _is_whole(layer: keras.layers.Layer) -> bool:
    """Whether a layer is one node: it has weights of its own, which act at once."""
    if isinstance(layer, OPAQUE) or kernel_variable(layer) is not None:
        return True
    return bool(layer.weights) and not direct_sublayers(layer)


def _is_known(layer: keras.layers.Layer) -> bool:
    """Whether what the layer returns depends on all that it gets."""
    return isinstance(layer, OPAQUE) or kernel_variable(layer) is not None


def _needed(done: _Open) -> list[Hashable]:
    """The inputs on whose values the outputs of a layer depend.

    A table of positions, for example, is added by a layer that reads only the shape of
    what it gets.
    """
    needed = _read_for_outputs(done)
    return [name for name in done.inputs if name in needed]


def _bound(done: _Open) -> str | None:
    """The kind of the last operation of a layer that has a sigmoid or softmax there."""
    kinds: list[str] = []
    if isinstance(done.call.layer, OPAQUE):
        return None
    needed = _read_for_outputs(done, kinds)
    is_all = not any(name in needed for name in done.inputs)
    return kinds[0] if kinds and is_all else None


def _read_for_outputs(done: _Open, bounds: list[str] | None = None) -> set[Hashable]:
    """The tensors from which a layer makes its outputs.

    With a list of `bounds`, those before a sigmoid or a softmax do not count, and the
    list gets the kinds of these.
    """
    needed = set(done.outputs)
    for operation in reversed(done.operations):
        if any(name in needed for name in operation.outputs):
            if bounds is not None and operation.kind in (SIGMOID, SOFTMAX):
                bounds.append(operation.kind)
            else:
                needed.update(operation.inputs)
    return needed
