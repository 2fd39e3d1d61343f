"""`TimeDistributed` without its loop over time."""

import inspect
from typing import Any

import keras
from keras import ops

from keras_initx._keras import set_mask


def time_distributed(
    wrapper: keras.layers.TimeDistributed,
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
) -> Any:
    """`TimeDistributed.call` in one call of its layer, the steps counting as samples.

    Keras calls the layer once for each step.
    """
    layer, samples = wrapper.layer, inputs.shape[0] * inputs.shape[1]
    folded = ops.reshape(inputs, (samples, *inputs.shape[2:]))
    arguments = {"training": training}
    if mask is not None:
        arguments["mask"] = ops.reshape(mask, (samples, *mask.shape[2:]))
        set_mask(folded, arguments["mask"])
    known = inspect.signature(layer.call).parameters
    arguments = {name: arguments[name] for name in arguments if name in known}
    output = layer.call(folded, **arguments)
    return ops.reshape(output, (*inputs.shape[:2], *output.shape[1:]))
