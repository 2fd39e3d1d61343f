"""The bias of an output layer from what is known of the targets."""

import math
from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._registry import register
from keras_initx.initializers._base.label_statistics import label_statistics
from keras_initx.initializers._base.plain_initializer import PlainInitializer

# Frequencies that were computed in float32, or written with four digits.
_ROUNDING = 1e-3


@register("initializers")
class PriorBias(PlainInitializer):
    """Lets an output layer start with what is known of the targets.

        b_k = log p_k                   activation="softmax"
        b_k = log(p_k / (1 - p_k))      activation="sigmoid"
        b_k = p_k                       activation="linear"

    With a kernel of zeros or of small numbers, the network then predicts the
    frequencies p of the classes at first, and for regression the mean p of the targets.
    The loss starts at the entropy of p, and the first epochs are not spent on learning
    the bias. Where classes are rare, they do not let the loss explode: that is the
    prior of the focal loss, which takes p = 0.01 for each class.

    Examples:
    >>> y = [0, 0, 0, 1]
    >>> bias = keras_initx.initializers.PriorBias.from_labels(y)
    >>> bias.probabilities
    [0.75, 0.25]
    >>> layer = keras.layers.Dense(2, "softmax", bias_initializer=bias)
    >>> focal = keras_initx.initializers.PriorBias(0.01, activation="sigmoid")

    Args:
        probabilities: list of float, or float. The frequency of each class: numbers
            above 0, which sum to 1 with `"softmax"` and lie below 1 with `"sigmoid"`.
            With `"linear"` the mean of each target. One float holds for all outputs.
        activation: str. What follows the bias, also if the loss applies it to logits:
            `"softmax"`, `"sigmoid"` or `"linear"`. Defaults to `"softmax"`.

    Call arguments:
        shape: tuple of int, `(outputs,)`.
        dtype: str or None. A floating-point dtype. Defaults to `keras.config.floatx()`.

    Returns:
        A tensor of that shape and dtype.

    Raises:
        ValueError: If the probabilities are out of range or do not sum to 1, if
            `activation` is unknown, or if the shape is not that of a bias with as many
            outputs.

    Reference:
        Karpathy 2019, "A recipe for training neural networks", section 2 ("init well"),
        https://karpathy.github.io/2019/04/25/recipe/. Lin, Goyal, Girshick, He and
        Dollár 2017, "Focal loss for dense object detection", section 3.3,
        https://arxiv.org/abs/1708.02002.
    """

    def __init__(self, probabilities: Any, activation: str = "softmax") -> None:
        self.activation = _validate.choice(
            "PriorBias", "activation", activation, ("softmax", "sigmoid", "linear")
        )
        self.probabilities = _numbers(probabilities)
        self._bias = _BIASES[self.activation](np.atleast_1d(self.probabilities))

    @classmethod
    def from_labels(
        cls,
        y: Any,
        activation: str = "softmax",
        classes: int | None = None,
        smoothing: float | None = None,
    ) -> "PriorBias":
        """The initializer for these targets.

        Args:
            y: array. For `"softmax"` the numbers of the classes, of any shape, or
                one-hot vectors or probabilities `(..., classes)`. For `"sigmoid"` zeros
                and ones, `(samples,)` for one output or `(..., outputs)`. For
                `"linear"` the targets, of the same shapes.
            activation: str. `"softmax"`, `"sigmoid"` or `"linear"`. Defaults to
                `"softmax"`.
            classes: int or None. The number of classes, if `y` has their numbers.
                Defaults to `None`: the largest number that occurs, plus 1.
            smoothing: float or None. How many samples of each class are counted in
                addition. Defaults to `None`: 1 if a class does not occur, because the
                logarithm of 0 is not finite, and 0 otherwise.

        Returns:
            `PriorBias`.

        Raises:
            ValueError: If `y` is empty, is not finite, or does not fit the activation.
        """
        return cls(label_statistics(y, activation, classes, smoothing), activation)

    def check(self, shape: tuple[int, ...]) -> None:
        count = 1 if isinstance(self.probabilities, float) else len(self._bias)
        if len(shape) != 1 or (count > 1 and shape[0] != count):
            fits = f"({count},)" if count > 1 else "(outputs,)"
            raise _validate.error(
                "PriorBias",
                f"the bias of an output layer, of shape {fits}",
                f"shape={shape}",
                "Pass it as `bias_initializer` of the last layer, with one number for "
                "each of its outputs.",
            )

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        return np.broadcast_to(self._bias, shape).astype(dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        return {"probabilities": self.probabilities, "activation": self.activation}


def _numbers(value: Any) -> list[float] | float:
    """A number, or a list of them, as plain Python."""
    numbers = np.asarray(value)
    is_numeric = numbers.dtype.kind in "iuf"
    numbers = numbers.astype("float64") if is_numeric else np.asarray(math.nan)
    if numbers.ndim > 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise _error("a finite number for each output", value, "a list of floats")
    return float(numbers) if numbers.ndim == 0 else numbers.tolist()


def _softmax_bias(p: np.ndarray) -> np.ndarray:
    if (p <= 0).any():
        raise _error(
            "probabilities above 0",
            p.tolist(),
            "a small number such as 1e-6 for a class that does not occur, or call "
            "`PriorBias.from_labels`",
        )
    if abs(p.sum() - 1) > _ROUNDING:
        raise _error(
            f"probabilities that sum to 1 with activation='softmax', not to "
            f"{p.sum():.6g}",
            p.tolist(),
            "the frequency of each class, or activation='sigmoid' if the classes do "
            "not exclude each other",
        )
    return np.log(p / p.sum())


def _sigmoid_bias(p: np.ndarray) -> np.ndarray:
    if ((p <= 0) | (p >= 1)).any():
        raise _error(
            "probabilities between 0 and 1, both excluded",
            p.tolist(),
            "a small number such as 1e-6 for a class that does not occur, or call "
            "`PriorBias.from_labels`",
        )
    return np.log(p) - np.log1p(-p)


def _linear_bias(means: np.ndarray) -> np.ndarray:
    return means


_BIASES = {
    "softmax": _softmax_bias,
    "sigmoid": _sigmoid_bias,
    "linear": _linear_bias,
}


def _error(needs: str, received: Any, advice: str) -> ValueError:
    return _validate.error(
        "PriorBias", needs, f"probabilities={received!r}", f"Pass {advice}."
    )
