"""What a model computes, as a graph: its layers with weights, and what joins them.

A node is one call of a layer that has weights, or one operation between such calls. Its
sources are the nodes from which it gets what depends on the model's inputs. Operations
on one source are left out, unless somebody asks for them: an activation, a pooling or a
reshape changes nothing about what leads where.
"""

import dataclasses
from collections.abc import Hashable
from typing import Any

import keras
from keras import ops

from keras_initx._backend.dataflow import record
from keras_initx._backend.dataflow.operation import (
    ADD,
    MARK,
    OTHER,
    SIGMOID,
    SOFTMAX,
    Operation,
)
from keras_initx._keras import direct_sublayers, kernel_variable
from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.observer import LayerCall, Observer
from keras_initx._model.preserve import preserve_state
from keras_initx._model.sublayers import OPAQUE, sublayers
from keras_initx._model.trace import trace

INPUT, LAYER = "input", "layer"

_SAMPLES = 2


@dataclasses.dataclass(frozen=True)
class Node:
    """One call of a layer, or one operation.

    Attributes:
        kind: str. `"input"`, `"layer"`, or the kind of an operation. The operands of an
            addition have one shape; with others it is not called one.
        sources: tuple of int. The nodes before it, by their places in the graph.
        shape: tuple of int or None. That of its (first) output.
        layer: keras.layers.Layer or None. The layer that is called.
        parents: tuple of keras.layers.Layer. The layers within which this happens, the
            outermost first.
    """

    kind: str
    sources: tuple[int, ...]
    shape: tuple[int, ...] | None
    layer: keras.layers.Layer | None
    parents: tuple[keras.layers.Layer, ...]


@dataclasses.dataclass(frozen=True)
class Dataflow:
    """The nodes in the order of execution, and what else is known.

    Attributes:
        nodes: list of Node.
        outputs: tuple of int. The nodes that make the model's outputs.
        causal: frozenset of int. The identities of the layers that were called with
            `use_causal_mask`.
    """

    nodes: list[Node]
    outputs: tuple[int, ...]
    causal: frozenset[int]


def dataflow(model: keras.layers.Layer, inputs: Any) -> Dataflow:
    """The graph of one call of the model, in inference mode, on these inputs.

    Two samples tell as much as all. They are taken alone if the model allows it.
    """
    if any(not layer.built for layer in sublayers(model)):
        # No variable may be made while the operations are recorded.
        trace(model, inputs, Observer())
    shortened = _shortened(inputs)
    if shortened is not None:
        try:
            return _recorded(model, shortened)
        except Exception:
            # The size of its batch is fixed. Or the error comes again.
            pass
    return _recorded(model, inputs)


def _recorded(model: keras.layers.Layer, inputs: Any) -> Dataflow:
    marks = _Marks()

    def run(inputs: Any, mark: Any) -> None:
        marks.mark = mark
        trace(model, inputs, marks, is_recorded=True)

    with hold_interrupts(), preserve_state(model):
        operations = record(run, inputs)
    return _Graph(marks).read(operations)


def _shortened(inputs: Any) -> Any:
    """The first samples, if all inputs count the same samples; None otherwise."""
    leaves = [leaf for leaf in keras.tree.flatten(inputs) if leaf is not None]
    sizes = {leaf.shape[0] if len(leaf.shape) else 0 for leaf in leaves}
    if len(sizes) != 1 or max(sizes) <= _SAMPLES:
        return None
    return keras.tree.map_structure(
        lambda leaf: leaf if leaf is None else leaf[:_SAMPLES], inputs
    )


class _Marks(Observer):
    """Marks the tensors that each layer gets and returns."""

    mark: Any

    def __init__(self) -> None:
        self.calls: list[LayerCall] = []
        self.entered: dict[int, LayerCall] = {}
        self.left: dict[int, LayerCall] = {}
        # The number of marks of a call that are still to come, inputs and outputs.
        self.counts: dict[int, list[int]] = {}

    def enter(self, call: LayerCall) -> None:
        self.calls.append(call)
        numbers = [self.mark(each) for each in _tensors((call.args, call.kwargs))]
        self.entered |= dict.fromkeys(numbers, call)
        self.counts[id(call)] = [len(numbers), 0]

    def leave(self, call: LayerCall, output: Any) -> Any:
        numbers = [self.mark(tensor) for tensor in _tensors(output)]
        self.left |= dict.fromkeys(numbers, call)
        self.counts[id(call)][1] = len(numbers)
        return output


def _tensors(values: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(values) if ops.is_tensor(leaf)]


@dataclasses.dataclass
class _Open:
    """A call of a layer whose operations are being read."""

    call: LayerCall
    is_whole: bool
    inputs: list[Hashable] = dataclasses.field(default_factory=list)
    outputs: list[Hashable] = dataclasses.field(default_factory=list)
    operations: list[Operation] = dataclasses.field(default_factory=list)


class _Graph:
    """Makes the graph from the operations, one after the other."""

    def __init__(self, marks: _Marks) -> None:
        self._marks = marks
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
                self._open.append(_Open(call, _is_whole(call.layer)))
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
