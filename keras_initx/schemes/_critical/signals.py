"""What is known of a tensor in the chain, and of a layer with a kernel."""

import dataclasses
from typing import Any

import keras

from keras_initx._model.attention_layers import ATTENTIONS
from keras_initx._model.layer_kernel import LayerKernel

# What a kernel gets comes from another kernel, from the inputs of the model, from a
# normalization, or from what is not known.
KERNEL, INPUT, NORMALIZED, UNKNOWN = "kernel", "input", "normalization", "unknown"


@dataclasses.dataclass(frozen=True)
class Signal:
    """What is known of a tensor.

    Attributes:
        kind: str. What it begins with: one of the four above.
        layer: ChainLayer or None. The layer whose kernel it begins with.
        name: str. What it begins with, if that is not known.
        activations: tuple. What was applied since then.
        pooling: str. The path of a pooling layer since then; mostly empty.
    """

    kind: str
    layer: "ChainLayer | None" = None
    name: str = ""
    activations: tuple[Any, ...] = ()
    pooling: str = ""


@dataclasses.dataclass(eq=False)
class ChainLayer:
    """A layer with a kernel, at its first call.

    Attributes:
        layer: keras.layers.Layer.
        parents: tuple of keras.layers.Layer. The layers that it is within, the
            outermost first.
        described: LayerKernel.
        source: Signal. What it gets.
        activations: tuple. What is applied to its pre-activation.
        is_followed: bool. Whether another kernel gets what it makes.
        is_output: bool. Whether it makes an output of the model.
        is_shared: bool. Whether it is called several times.
        is_in_attention: bool.
    """

    layer: keras.layers.Layer
    parents: tuple[Any, ...]
    described: LayerKernel
    source: Signal
    activations: tuple[Any, ...] = ()
    is_followed: bool = False
    is_output: bool = False
    is_shared: bool = False

    @property
    def is_in_attention(self) -> bool:
        """Whether it is a projection of an attention layer."""
        return any(isinstance(parent, ATTENTIONS) for parent in self.parents)


def applied(signal: Signal, activation: Any) -> Signal:
    """The signal of what an activation makes of a tensor; None is linear."""
    if activation is None or activation is keras.activations.linear:
        return signal
    return dataclasses.replace(signal, activations=(*signal.activations, activation))
