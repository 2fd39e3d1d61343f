"""Where NaN and infinity come from."""

from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import is_float_tensor


def not_finite(
    owner: str, call: LayerCall, batch: LayerCall | None, tensor: Any
) -> ValueError:
    """Returns the error that names the cause.

    Args:
        owner: str. Who asks.
        call: LayerCall. The first call whose pre-activation is not finite.
        batch: LayerCall or None. The call of the model itself.
        tensor: The pre-activation.
    """
    layer = f"layer {call.layer.path!r} (`{type(call.layer).__name__}`)"
    if batch is not None and not _are_finite(batch):
        return _validate.error(
            owner,
            "a batch of finite numbers",
            f"NaN or infinity in the batch, found at {layer}",
            "Clean or scale the data.",
        )
    if not _are_finite(call):
        return _validate.error(
            owner,
            "finite inputs of each layer",
            f"NaN or infinity in the inputs of {layer}",
            "Check the layers before it that have no kernel.",
        )
    if keras.backend.standardize_dtype(tensor.dtype) == "float16":
        return _validate.error(
            owner,
            "pre-activations below 65504, the largest float16",
            f"an overflow in {layer}",
            "Scale the data, or use 'mixed_bfloat16'.",
        )
    return _validate.error(
        owner,
        "finite pre-activations",
        f"NaN or infinity from {layer}, whose inputs are finite",
        "Check its weights.",
    )


def _are_finite(call: LayerCall) -> bool:
    """Whether all inputs of the call are finite."""
    leaves = keras.tree.flatten((call.args, call.kwargs))
    return all(
        bool(ops.all(ops.isfinite(leaf))) for leaf in leaves if is_float_tensor(leaf)
    )
