"""Finds the residual branches of any model.

A residual branch is one operand of an addition whose operands come from a common
ancestor. The other operand is the shortcut: the ancestor itself, what pooling, slicing
or adding makes of it, or its projection by one kernel. A difference is an addition too,
and a sum that is added is as many branches as it has terms.
"""

import dataclasses
from typing import Any

import keras

from keras_initx._backend.dataflow.operation import ADD, SOFTMAX
from keras_initx._model.branches.branch import BranchLayer, ResidualBranch
from keras_initx._model.branches.inside import Inside, inside
from keras_initx._model.branches.paths import Paths, has_kernel, is_normalization
from keras_initx._model.dataflow import dataflow
from keras_initx._model.graph import LAYER, Dataflow
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.sublayers import OPAQUE


@dataclasses.dataclass(frozen=True)
class Residuals:
    """The branches of a model, and the layers that make its outputs.

    Attributes:
        branches: list of ResidualBranch. In the order of their additions.
        heads: list of keras.layers.Layer. Those whose kernel is the last before an
            output of the model, with no residual addition after it.
        graph: Dataflow.
    """

    branches: list[ResidualBranch]
    heads: list[keras.layers.Layer]
    graph: Dataflow


def find_residuals(model: keras.layers.Layer, inputs: Any) -> Residuals:
    """The residual branches of a model that is called on these inputs."""
    return residuals_in(dataflow(model, inputs))


def residuals_in(graph: Dataflow) -> Residuals:
    """The residual branches in a graph."""
    paths = Paths(graph.nodes)
    softened = _only_before_softmax(graph)
    # The addition at which the branch ends that has a node.
    taken: dict[int, int] = {}
    branches = []
    for place, node in enumerate(graph.nodes):
        if node.kind != ADD or place in softened:
            continue
        for start, shortcut, sum_ in _pairs(paths, node.sources):
            for end in _terms(paths, start, sum_, set(taken.values())):
                found = inside(paths, start, end, taken)
                if found.linear:
                    taken = dict.fromkeys(found.places, place) | taken
                    ends = (start, shortcut, end)
                    branches.append(_branch(graph, paths, found, ends, place))
    return Residuals(branches, _heads(graph, paths), graph)


def _pairs(paths: Paths, operands: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """For each branch of an addition: its input, the shortcut, and what is added."""
    for shortcut in operands:
        ends = [other for other in operands if paths.leads(shortcut, other)]
        if ends:
            return [(shortcut, shortcut, end) for end in ends]
    if len(operands) != 2:
        return []
    start = None
    for start in paths.common(*operands):
        counts = {end: paths.least_kernels(start, end) for end in operands}
        shortcut, end = sorted(operands, key=counts.__getitem__)
        if counts[shortcut] == 0 < counts[end]:
            return [(start, shortcut, end)]
    # No way leads around `start`. A projection is one of it, and of nothing else.
    if start is None or not counts[shortcut] == 1 < counts[end]:
        return []
    return [] if paths.around(start, [shortcut]) else [(start, shortcut, end)]


def _terms(paths: Paths, start: int, end: int, additions: set[int]) -> list[int]:
    """What is added: in `x + (f(x) + g(x))` as in `x + f(x) + g(x)` two branches."""
    node = paths.nodes[end]
    is_sum = node.kind == ADD and end not in additions
    if not is_sum or not all(paths.leads(start, each) for each in node.sources):
        return [end]
    terms = [_terms(paths, start, each, additions) for each in node.sources]
    return [term for each in terms for term in each]


def _branch(
    graph: Dataflow,
    paths: Paths,
    found: Inside,
    ends: tuple[int, int, int],
    addition: int,
) -> ResidualBranch:
    start, shortcut, end = ends
    nodes = graph.nodes
    others = _others(graph, found.places)
    on_shortcut = paths.between(start, shortcut) if shortcut != start else []
    projections = [p for p in on_shortcut if has_kernel(nodes[p])]
    is_plain = shortcut == start or paths.least_kernels(start, shortcut) == 0
    last = max(found.linear)
    return ResidualBranch(
        layers=[_branch_layer(nodes[p].layer, found, p) for p in found.kernels],
        depth=found.degree,
        place=nodes[addition].parents[-1].path,
        parents=nodes[addition].parents,
        shortcut=[] if is_plain else [nodes[p].layer for p in projections],
        normalizations=[each for each in others.values() if is_normalization(each)],
        scales=[each for each in others.values() if not is_normalization(each)],
        has_gate=found.has_gate,
        has_attention=found.has_softmax,
        is_cross=found.is_cross,
        is_causal=any(
            id(parent) in graph.causal
            for place in found.kernels
            for parent in nodes[place].parents
        ),
        shortcut_scales=[
            each
            for each in _others(graph, on_shortcut).values()
            if not is_normalization(each)
        ],
        last_normalization=next(
            (
                each
                for place, each in reversed(others.items())
                if place > last and is_normalization(each)
            ),
            None,
        ),
        inputs=start,
        end=end,
        addition=addition,
    )


def _others(graph: Dataflow, places: list[int]) -> dict[int, keras.layers.Layer]:
    """The layers with weights and without a kernel among these nodes."""
    return {
        place: layer
        for place in places
        if (layer := graph.nodes[place].layer) is not None
        and not has_kernel(graph.nodes[place])
    }


def _branch_layer(layer: Any, found: Inside, place: int) -> BranchLayer:
    is_opaque = isinstance(layer, OPAQUE)
    described = None if is_opaque else layer_kernel(layer)
    return BranchLayer(layer, described, place in found.linear, place in found.last)


def _only_before_softmax(graph: Dataflow) -> set[int]:
    """The additions that only a softmax reads: a mask or a bias of attention."""
    readers: dict[int, set[str]] = {}
    for node in graph.nodes:
        for source in node.sources:
            readers.setdefault(source, set()).add(node.kind)
    return {place for place, kinds in readers.items() if kinds == {SOFTMAX}}


def _heads(graph: Dataflow, paths: Paths) -> list[keras.layers.Layer]:
    """The layers with the last kernels before the outputs."""
    found: dict[int, keras.layers.Layer] = {}
    waiting, seen = list(graph.outputs), set()
    while waiting:
        place = waiting.pop(0)
        node = graph.nodes[place]
        if place in seen or node.kind == ADD:
            continue
        seen.add(place)
        if node.kind == LAYER and node.layer is not None and has_kernel(node):
            found[id(node.layer)] = node.layer
        else:
            waiting += node.sources
    return list(found.values())
