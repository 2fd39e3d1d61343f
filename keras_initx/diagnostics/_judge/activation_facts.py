"""What an activation needs of the kernels before it, by its own mathematics."""

import dataclasses
import functools
import math

from keras_initx.activations import correlation_map, gain, variance_map
from keras_initx.activations._stability import stability_of

# The activations for which a name says it all, with the gain of the kernels. With
# tanh and its like, the gain 1 keeps the gradient too: the slope at 0 is 1.
_NAMED = {
    **dict.fromkeys(
        ("", "tanh", "softsign", "hard_tanh", "lecun_tanh"), ("haar_orthogonal", 1.0)
    ),
    **dict.fromkeys(
        ("relu", "relu6", "leaky_relu", "prelu"), ("he_normal", math.sqrt(2))
    ),
    "selu": ("lecun_normal", 1.0),
}
# A PReLU starts as a ReLU.
_ALIASES = {"": "linear", "prelu": "relu"}
# Half of the mean square of the outputs, or a twentieth.
_MOSTLY_MEAN, _PARTLY_MEAN = 0.5, 0.05
# Where the slope of the variance map is taken.
_BESIDE = 1.1


@dataclasses.dataclass(frozen=True)
class ActivationFacts:
    """What is known of an elementwise activation.

    Attributes:
        initializer: str. What to write after `kernel_initializer=`.
        gain: float. The gain of these kernels.
        drift: float. The factor by which a small deviation of the variance from 1 grows
            in each layer.
        mean_share: float. The share of the squared mean in the mean square of the
            outputs: the correlation of two outputs whose inputs have none.
    """

    initializer: str
    gain: float
    drift: float
    mean_share: float

    @property
    def is_mostly_mean(self) -> bool:
        """Whether the outputs are nearly the same for all inputs, as with sigmoid."""
        return self.mean_share > _MOSTLY_MEAN

    @property
    def has_mean(self) -> bool:
        """Whether the outputs have a mean, as with rectifiers."""
        return self.mean_share > _PARTLY_MEAN


def name_of_map(name: str) -> str:
    """The activation whose maps are those of this one."""
    return _ALIASES.get(name, name)


@functools.cache
def activation_facts(name: str) -> ActivationFacts | None:
    """The facts of an activation; None if it is unknown or not elementwise."""
    function = name_of_map(name)
    try:
        own = gain(function)
        drift = math.log(variance_map(function, _BESIDE, own)) / math.log(_BESIDE)
        share = correlation_map(function, 0.0, 1.0, own)
    except ValueError:
        return None
    if name in _NAMED:
        initializer, factor = _NAMED[name]
        return ActivationFacts(f'"{initializer}"', factor, drift, share)
    code = f'keras_initx.HaarOrthogonal(gain="{name}")'
    return ActivationFacts(code, own, drift, share)


@functools.cache
def has_stable_point(name: str) -> bool:
    """Whether `critical` has a variance for it that deviations go back to."""
    try:
        found = stability_of("signal_report", name_of_map(name))
    except ValueError:
        return False
    return found.kind in ("always", "above", "between")
