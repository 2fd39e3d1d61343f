"""Whether a mirrored kernel fits the convolution that is being built."""

from keras import layers

from keras_initx import _validate
from keras_initx._keras import layer_being_built
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.convolutions import DEPTHWISE, PLAIN, SEPARABLE, TRANSPOSED


def check_layer(mirror: str, axes: KernelAxes) -> None:
    """Raises if a convolution would mirror what are not its inputs or outputs.

    Without a layer that is being built nothing is known, and nothing is raised.
    """
    layer = layer_being_built()
    what = advice = ""
    if _draws_depthwise(layer) and axes.input:
        what, advice = "a depthwise convolution", "Pass `batch_axes=[-2]`."
    elif isinstance(layer, TRANSPOSED) and len(axes.shape) - 1 in axes.output:
        what = "a transposed convolution"
        advice = "Pass `input_axes=[-1]` and `output_axes=[-2]`."
    elif isinstance(layer, PLAIN) and mirror != "input" and axes.groups % layer.groups:
        what = f"a convolution with groups={layer.groups}"
        advice = f"Pass `groups={layer.groups}`."
    if what:
        raise _validate.error(
            "LooksLinear",
            f"to know that the kernel is that of {what}",
            f"mirror={mirror!r}, groups={axes.groups}, shape={axes.shape}, with the "
            f"input axes {axes.input} and the output axes {axes.output}",
            advice,
        )


def _draws_depthwise(layer: layers.Layer | None) -> bool:
    """Whether the kernel is the depthwise one of this layer."""
    if isinstance(layer, SEPARABLE):
        return getattr(layer, "depthwise_kernel", None) is None
    return isinstance(layer, DEPTHWISE)
