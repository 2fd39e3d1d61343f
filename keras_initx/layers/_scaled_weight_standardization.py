"""Layers whose kernels have mean 0 and a fixed scale, also while they train."""

import math
import numbers
from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._model.layer_kernel import LayerKernel, layer_kernel
from keras_initx._registry import register
from keras_initx.activations._gain_argument import Gain, config_of
from keras_initx.activations._variance_gain import variance_gain_for


@register("layers")
class ScaledWeightStandardization(keras.layers.Wrapper):
    """Lets a layer compute with its kernel standardized, instead of normalizing.

        W_hat = gain * gamma * (W - mean) / sqrt(fan_in * variance)

    Mean and variance are those of the fan-in of each unit. So the mean of the inputs
    does not matter, and inputs of variance `1 / gamma^2` give pre-activations of
    variance 1: `gamma` is the `activations.variance_gain` of the activation before the
    layer. The trainable `gain` of each unit starts at 1. Gradients flow through the
    standardization to the kernel W, which is the weight that training and saving see.

    In a residual network without normalization, wrap the layers of the branches, divide
    what enters a branch by `residual_deviations`, and multiply its output by alpha.

    Examples:
    >>> layer = keras_initx.layers.ScaledWeightStandardization(
    ...     keras.layers.Conv2D(64, 3, padding="same"), gamma="relu"
    ... )
    >>> tuple(layer(keras.ops.ones((1, 8, 8, 16))).shape)
    (1, 8, 8, 64)

    Args:
        layer: keras.layers.Layer. `Dense`, `EinsumDense`, or a convolution: also a
            transposed, grouped or depthwise one.
        gamma: float, str, callable or `keras.layers.Layer`. A positive number; or the
            activation before this layer, of which `activations.variance_gain` is taken.
            Defaults to `1.0`, for inputs of variance 1.
        use_gain: bool. Whether there is a trainable gain. Defaults to `True`.
        epsilon: float. The least value of `fan_in * variance`. Defaults to `1e-4`, that
            of the authors.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: What the wrapped layer takes.

    Returns:
        What the wrapped layer returns.

    Raises:
        ValueError: If the layer has no kernel of known axes, is quantized or has LoRA,
            or if an argument is wrong.

    Reference:
        Brock, De and Smith 2021, "Characterizing signal propagation to close the
        performance gap in unnormalized ResNets", section 4.1,
        https://arxiv.org/abs/2101.08692. The gain and epsilon are those of the authors'
        code.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        gamma: Any = 1.0,
        use_gain: bool = True,
        epsilon: float = 1e-4,
        **kwargs: Any,
    ) -> None:
        owner = "ScaledWeightStandardization"
        super().__init__(layer, **kwargs)
        if isinstance(gamma, numbers.Real):
            self.gamma = _validate.positive(owner, "gamma", gamma)
        else:
            self.gamma = Gain(variance_gain_for(owner, gamma))
            self.gamma.activation = gamma
        self.use_gain = bool(use_gain)
        self.epsilon = _validate.positive(owner, "epsilon", epsilon)
        self.supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        """Makes the gain, after the weights of the layer."""
        super().build(input_shape)
        described = self._described()
        self.unit_gain = None
        if self.use_gain:
            axes, shape = described.axes, described.kernel.shape
            units = {*axes.output, *axes.batch}
            self.unit_gain = self.add_weight(
                shape=[n if axis in units else 1 for axis, n in enumerate(shape)],
                initializer="ones",
                name="gain",
            )

    def call(self, inputs: Any) -> Any:
        described = self._described()
        kernel = self._standardized(described)
        # The layer reads its variables from this scope: its kernel is another one.
        values = [
            (variable, kernel if variable is described.kernel else variable.value)
            for variable in self.layer.variables
        ]
        with keras.StatelessScope(state_mapping=values):
            return self.layer(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        return {
            **super().get_config(),
            "gamma": config_of(self.gamma),
            "use_gain": self.use_gain,
            "epsilon": self.epsilon,
        }

    def _standardized(self, described: LayerKernel) -> Any:
        """The kernel with which the layer computes."""
        axes = described.axes
        fan_in = (*axes.spatial, *axes.input)
        size = math.prod(axes.shape[axis] for axis in fan_in)
        kernel = ops.cast(described.kernel, "float32")
        mean, variance = ops.moments(kernel, fan_in, keepdims=True)
        scale = self.gamma * ops.rsqrt(ops.maximum(size * variance, self.epsilon))
        if self.unit_gain is not None:
            scale = scale * ops.cast(self.unit_gain, "float32")
        return (kernel - mean) * scale

    def _described(self) -> LayerKernel:
        """What the axes of the layer's kernel mean."""
        described = layer_kernel(self.layer)
        is_changed = self.layer.quantization_mode is not None
        is_changed |= bool(getattr(self.layer, "lora_enabled", False))
        is_one = described is not None and described.is_known and not described.others
        if described is None or not is_one or is_changed:
            kind = "quantized or has LoRA" if is_changed else "of another kind"
            raise _validate.error(
                "ScaledWeightStandardization",
                "a `Dense`, `EinsumDense` or convolution layer of Keras with one "
                "kernel",
                f"layer={self.layer.name!r} of class {type(self.layer).__name__}, "
                f"which is {kind}",
                "Wrap each such layer on its own.",
            )
        return described
