"""Which kernels no scheme changes."""

from typing import Any

import keras


def why_left_alone(
    layer: keras.layers.Layer, kernel: keras.Variable, parents: tuple[Any, ...]
) -> str:
    """Why a scheme does not change the kernel of a layer; empty if it does.

    Args:
        layer: keras.layers.Layer.
        kernel: keras.Variable.
        parents: tuple of keras.layers.Layer. The layers that it is within, the
            outermost first.
    """
    if parents and isinstance(parents[-1], keras.layers.SpectralNormalization):
        return "SpectralNormalization sets the scale of its kernel"
    if layer.quantization_mode is not None:
        return "quantized"
    if getattr(layer, "lora_enabled", False):
        return "frozen by LoRA"
    if not kernel.trainable:
        return "frozen"
    return ""
