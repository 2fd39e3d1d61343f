"""What is known about one residual branch."""

import dataclasses

import keras

from keras_initx._model.layer_kernel import LayerKernel


@dataclasses.dataclass(frozen=True)
class BranchLayer:
    """One layer with a kernel in a branch.

    Attributes:
        layer: keras.layers.Layer.
        described: LayerKernel or None. None for one whose kernel has no known axes: a
            recurrent layer, an embedding, a layer of one's own.
        is_linear: bool. Whether the output of the branch is proportional to the scale
            of this kernel. A kernel whose only way leads through a softmax (queries and
            keys) or a gate (squeeze-and-excitation) is not.
        is_last: bool. Whether no other such kernel follows in the branch.
    """

    layer: keras.layers.Layer
    described: LayerKernel | None
    is_linear: bool
    is_last: bool


@dataclasses.dataclass(frozen=True)
class ResidualBranch:
    """What an addition adds to its shortcut.

    Attributes:
        layers: list of BranchLayer. Those with kernels, in the order of execution.
        depth: int. How the output of the branch depends on a common scale of its
            kernels: as this power of it. For a chain, the number of its layers.
        place: str. The path of the layer in which the addition stands.
        parents: tuple of keras.layers.Layer. The layers within which it stands, the
            outermost first.
        shortcut: list of keras.layers.Layer. The kernels of the shortcut: none, or a
            projection.
        normalizations: list of keras.layers.Layer. Those inside the branch.
        scales: list of keras.layers.Layer. The layers with weights inside the branch
            that have no kernel and are no normalization: a factor, an offset, a slope.
        has_gate: bool. Whether it is multiplied by a function of its own input.
        has_attention: bool. Whether there is a softmax inside.
        is_cross: bool. Whether kernels in it read what does not come from the shortcut,
            as in attention to an encoder.
        is_causal: bool. Whether Keras's attention was called with `use_causal_mask`.
        shortcut_scales: list of keras.layers.Layer. The layers with weights on the
            shortcut that have no kernel and are no normalization.
        last_normalization: keras.layers.Layer or None. A normalization after the last
            kernel of the branch.
        inputs: int. The node that enters both branch and shortcut.
        end: int. The node that is added.
        addition: int. The node that adds.
    """

    layers: list[BranchLayer]
    depth: int
    place: str
    parents: tuple[keras.layers.Layer, ...]
    shortcut: list[keras.layers.Layer]
    normalizations: list[keras.layers.Layer]
    scales: list[keras.layers.Layer]
    has_gate: bool
    has_attention: bool
    is_cross: bool
    is_causal: bool
    shortcut_scales: list[keras.layers.Layer]
    last_normalization: keras.layers.Layer | None
    inputs: int
    end: int
    addition: int

    @property
    def is_projection(self) -> bool:
        """Whether the shortcut has a kernel."""
        return bool(self.shortcut)
