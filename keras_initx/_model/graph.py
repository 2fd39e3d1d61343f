"""What a model computes, as a graph: its layers with weights, and what joins them.

A node is one call of a layer that has weights, or one operation between such calls. Its
sources are the nodes from which it gets what depends on the model's inputs. Operations
on one source are left out, unless somebody asks for them: an activation, a pooling or a
reshape changes nothing about what leads where.
"""

import dataclasses

import keras

INPUT, LAYER = "input", "layer"


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
