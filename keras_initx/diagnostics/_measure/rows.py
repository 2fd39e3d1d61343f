"""One row of a report: what it says of one layer."""

import dataclasses
import math

from keras_initx.diagnostics._measure.features import Features
from keras_initx.diagnostics._measure.kernel_row import KernelRow as KernelRow
from keras_initx.diagnostics._measure.over_time import OverTime

# These bear the word, and scale by numbers that do not follow the signal.
_FIXED_SCALES = ("Normalization", "SpectralNormalization")
_MERGES = ("Add", "Average", "Concatenate", "Dot", "Maximum", "Multiply", "Subtract")


@dataclasses.dataclass
class LayerRow:
    """One layer, at its first call.

    Attributes:
        path: str. The layer's path in the model.
        type: str. The name of its class.
        calls: int. How often it ran.
        activation: str. The name of its activation, if it has one.
        dtype: str. That of the output.
        units: int. The number of output units: of its channels.
        pre_activation_mean: float or None. Before the activation; of the output where
            there is none.
        pre_activation_std: float or None. The standard deviation there.
        mean: float or None. Of the output.
        std: float or None. Of the output.
        dead: float or None. The share of output units that are zero for all samples and
            positions.
        saturated: float or None. The share of output values within 3 % of the bounds of
            an activation that has some.
        cosine: float or None. The mean cosine between the outputs for different inputs.
        spread: float or None. How many times the output for one input is as large as
            that for another, at most: of up to 16 samples, except those of zeros.
        output_gradient: float or None. The norm of the gradient of the loss with
            respect to the output.
        kernels: list of KernelRow. The main kernel first.
        is_constant: bool. Whether no output unit varies.
        is_output: bool. Whether the output is one of the model's own.
        has_equal_inputs: bool. Whether a kernel that does not tell inputs apart got
            inputs that are equal.
        note: str. What else there is to say.
        over_time: OverTime or None. Of a recurrent layer: its first, middle and last
            step.
        is_one_of_several: bool. Whether the output is one of several that a part of the
            model has, of which some may be left unused.
        held_back: float. The smallest factor after it that training has yet to raise,
            such as a gamma of zeros at the end of a residual branch; 1 without one.
        factor: float. Its own such factor; 1 without one.
        is_stuck: bool. Whether a factor of zero gets zeros, so that both stay.
        input_rms: float or None. The root mean square of the first input.
        bias_rms: float or None. The root mean square of the biases.
        activity_loss: float or None. What the regularizer of its outputs adds to the
            loss.
        noise: float or None. The standard deviation of the noise that the layer adds in
            training, as a multiple of its signal.
        dropped: float or None. The share of its inputs that the layer drops.
        noise_argument: str. The argument of the layer that sets it.
        normalized_over: int or None. Of how many numbers a normalization takes mean and
            deviation.
        features: Features or None. Of an input, and of a layer whose kernel gets the
            data: how large its features are.
        code: str. Python code that gives the layer, such as
            `'model.get_layer("dense")'`; empty where it is not known.
    """

    path: str
    type: str
    calls: int = 1
    activation: str = ""
    dtype: str = ""
    units: int = 0
    pre_activation_mean: float | None = None
    pre_activation_std: float | None = None
    mean: float | None = None
    std: float | None = None
    dead: float | None = None
    saturated: float | None = None
    cosine: float | None = None
    spread: float | None = None
    output_gradient: float | None = None
    kernels: list[KernelRow] = dataclasses.field(default_factory=list)
    is_constant: bool = False
    is_output: bool = False
    has_equal_inputs: bool = False
    note: str = ""
    over_time: OverTime | None = None
    is_one_of_several: bool = False
    held_back: float = 1.0
    factor: float = 1.0
    is_stuck: bool = False
    input_rms: float | None = None
    bias_rms: float | None = None
    activity_loss: float | None = None
    noise: float | None = None
    dropped: float | None = None
    noise_argument: str = ""
    normalized_over: int | None = None
    features: Features | None = None
    code: str = ""

    @property
    def is_normalization(self) -> bool:
        """Whether it takes the scale of its input away."""
        is_named_so = "Norm" in self.type and self.fan_in is None
        return is_named_so and self.type not in _FIXED_SCALES

    @property
    def is_merge(self) -> bool:
        """Whether it makes one tensor of several."""
        return self.type in _MERGES

    @property
    def is_pooling(self) -> bool:
        """Whether it averages positions, or takes one of them."""
        return "Pooling" in self.type

    @property
    def kernel(self) -> KernelRow | None:
        """The main kernel, if there is one."""
        return self.kernels[0] if self.kernels else None

    @property
    def scale(self) -> float:
        """The standard deviation of the pre-activation; NaN if it is not known."""
        std = self.pre_activation_std
        return math.nan if std is None else std

    @property
    def rms(self) -> float:
        """The root mean square of the pre-activation; NaN if it is not known."""
        return math.hypot(self.scale, self.pre_activation_mean or 0.0)

    @property
    def own_gain(self) -> float | None:
        """The root mean square of the pre-activation over that of the first input."""
        return self.rms / self.input_rms if self.input_rms else None

    @property
    def kernel_norm(self) -> float:
        """The norm of the main kernel; NaN without one."""
        return self.kernels[0].norm if self.kernels else math.nan

    @property
    def fan_in(self) -> int | None:
        """That of the main kernel."""
        return self.kernels[0].fan_in if self.kernels else None

    @property
    def fan_out(self) -> int | None:
        """That of the main kernel."""
        return self.kernels[0].fan_out if self.kernels else None

    @property
    def gradient(self) -> float | None:
        """The norm of the gradient of the main kernel."""
        return self.kernels[0].gradient if self.kernels else None

    @property
    def gradient_ratio(self) -> float | None:
        """That of the main kernel."""
        return self.kernels[0].gradient_ratio if self.kernels else None
