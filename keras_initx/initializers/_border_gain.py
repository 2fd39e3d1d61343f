"""The gain that makes up for what zero padding loses at the borders of an image."""

import math
from collections.abc import Callable
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.borders import (
    binomial_shares,
    border_factor,
    central_share,
    equal_shares,
)
from keras_initx.initializers._base.axes_initializer import AxesInitializer
from keras_initx.initializers._base.scales import scales_of
from keras_initx.initializers._convolution_orthogonal import ConvolutionOrthogonal
from keras_initx.initializers._dirac import Dirac
from keras_initx.initializers._fan_scaled import FanScaled
from keras_initx.initializers._gate_identity import GateIdentity
from keras_initx.initializers._gate_orthogonal import GateOrthogonal
from keras_initx.initializers._haar_orthogonal import HaarOrthogonal
from keras_initx.initializers._orthogonal_delta import OrthogonalDelta
from keras_initx.initializers._random_walk import RandomWalk
from keras_initx.initializers._siren import Siren
from keras_initx.initializers._sparse import Sparse
from keras_initx.initializers._zero_hadamard import ZerO

# How the taps share the variance of the kernel, by the class of the initializer.
_SHARES = {
    (OrthogonalDelta, Dirac, ZerO, GateOrthogonal, GateIdentity): central_share,
    (ConvolutionOrthogonal,): binomial_shares,
    (FanScaled, HaarOrthogonal, RandomWalk, Siren, Sparse): equal_shares,
    (
        keras.initializers.RandomNormal,
        keras.initializers.RandomUniform,
        keras.initializers.TruncatedNormal,
        keras.initializers.Orthogonal,
    ): equal_shares,
}
_ADVICE = (
    "Pass that of your layers, for example 'convolution_orthogonal', 'he_normal' for "
    "independent weights, or the base of an initializer that has one."
)


def border_gain(
    kernel_size: Any,
    image_size: Any,
    initializer: Any = "fan_scaled",
    dilation_rate: Any = 1,
    depth: int | None = None,
) -> float:
    """Computes the gain that makes up for zero padding in a deep network.

        gain = prod_axes root^(-1/2)

    Keras's `padding="same"` surrounds an image with zeros. Outputs near the borders sum
    fewer pixels, so each layer loses a part of the signal, and the network all of it.
    On each axis the root is the largest eigenvalue of the matrix

        T[i, j] = the share of the tap that reads pixel j for pixel i

    The share is the part of the kernel's variance that the tap holds: 1 / k with
    independent weights and in `HaarOrthogonal`, binomial(k - 1, 1/2) in
    `ConvolutionOrthogonal`, and 1 for the only tap of `OrthogonalDelta`, which loses
    nothing. For k = 3 taps and n pixels

        root = (1 + 2 cos(pi / (n + 1))) / 3     independent weights
        root = (1 + cos(pi / (n + 1))) / 2       `ConvolutionOrthogonal`

    Without the gain, the root mean square of an image of 4 x 4 pixels falls by 13 % in
    each layer of 3 x 3 independent weights, and that of 8 x 8 pixels by 4 %. With it,
    the mean square of inputs that have the same in all pixels first falls to no less
    than (8 / pi^2)^axes, because the middle of the image gets more of it than the
    borders, and then stays. The gradient has the same roots.

    This is exact for the mean over the kernels of linear layers, and holds for ReLU and
    other positively homogeneous activations in wide networks. In a narrow network a few
    large values make the mean, and most are smaller. Other activations bring the
    variance back by themselves, and need less.

    With an even kernel size the image moves by half a pixel in each layer, and leaves.
    The root says how fast its last part vanishes, which is far too much for a network
    that is not much deeper than the image is wide: pass `depth`. After so many layers
    the mean square is then that of the inputs, if all pixels of these have the same.

    Nothing is lost where the pixels outside are not zeros: pad with
    `keras.ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="symmetric")` before a
    convolution with `padding="valid"` and 3 x 3 taps.

    The roots, and all of the above, are derived here.

    Examples:
    >>> round(keras_initx.border_gain((3, 3), 8), 4)
    1.0419
    >>> round(keras_initx.border_gain(3, 8, "convolution_orthogonal"), 4)  # one axis
    1.0154
    >>> keras_initx.border_gain((3, 3), (8, 6), "orthogonal_delta")
    1.0
    >>> gain = keras_initx.gain("relu") * keras_initx.border_gain((3, 3), 8)
    >>> layer = keras.layers.Conv2D(
    ...     16,
    ...     3,
    ...     padding="same",
    ...     activation="relu",
    ...     kernel_initializer=keras_initx.FanScaled(gain=gain),
    ... )

    Args:
        kernel_size: int or list of int. The number of taps, one for each spatial axis.
        image_size: int or list of int. The number of pixels. An integer is for each of
            the axes that another argument lists. If none lists them there is one axis,
            so that an image needs `kernel_size=(3, 3)`.
        initializer: str, dict, class or `keras.initializers.Initializer`. Draws the
            kernel: one of this package or of Keras with independent weights, or one of
            the orthogonal ones. Defaults to `"fan_scaled"`, which stands for all
            independent weights.
        dilation_rate: int or list of int. The dilation of the layer. An initializer
            that takes `image_size` cannot see it: with an odd kernel size and a
            dilation d, `image_size=ceil(n / d)` is the same. Defaults to `1`.
        depth: int or None. The number of layers that keep the mean square together.
            Defaults to `None`, which means very many.

    Returns:
        A float of at least 1, up to rounding. The root of an axis of more than 512
        pixels is right to 1e-6 for up to 9 taps, and to 1e-4 for up to 31.

    Raises:
        ValueError: If a size, `dilation_rate` or `depth` is not positive, the lists
            have different lengths, it is unknown how the taps of the initializer share
            the variance, or nothing arrives: no tap reads a pixel of the image again
            and again.

    Reference:
        Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs",
        https://arxiv.org/abs/1806.05393, for the recursion of the variances. They pad
        circularly, where nothing is lost.
    """
    owner = "border_gain"
    named = {
        "kernel_size": scales_of(owner, kernel_size, "kernel_size"),
        "image_size": scales_of(owner, image_size, "image_size"),
        "dilation_rate": scales_of(owner, dilation_rate, "dilation_rate"),
    }
    if depth is not None:
        depth = _validate.positive_integer(owner, "depth", depth)
    kernel, image, dilations = _for_each_axis(named)
    factor = border_factor(_shares(initializer), kernel, image, dilations, depth)
    if math.isinf(factor):
        raise _validate.error(
            owner,
            "a convolution that keeps a part of the signal in the image",
            ", ".join(f"{name}={value}" for name, value in named.items())
            + f", initializer={initializer!r}",
            "Take an odd kernel size, whose middle tap reads the pixel itself.",
        )
    return factor


def _for_each_axis(named: dict[str, int | list[int]]) -> list[list[int]]:
    """Each argument as a list of one number for each axis."""
    lengths = {len(value) for value in named.values() if isinstance(value, list)}
    if len(lengths) > 1:
        raise _validate.error(
            "border_gain",
            "lists with one number for each spatial axis",
            ", ".join(f"{name}={value}" for name, value in named.items()),
            "Pass lists of the same length, or integers.",
        )
    (axes,) = lengths or {1}
    return [
        value if isinstance(value, list) else [value] * axes for value in named.values()
    ]


def _shares(initializer: Any) -> Callable[[int], tuple[float, ...]]:
    """How the taps of what it draws share the variance."""
    try:
        found = keras.initializers.get(initializer)
    except (TypeError, ValueError):
        found = None
    for classes, shares in _SHARES.items():
        if isinstance(found, classes):
            return shares
    # Keras's fan rules, among whose subclasses ours are too.
    is_fan_rule = isinstance(found, keras.initializers.VarianceScaling)
    if is_fan_rule and not isinstance(found, AxesInitializer):
        return equal_shares
    raise _validate.error(
        "border_gain",
        "an `initializer` of which it knows how the taps share the variance",
        f"initializer={initializer!r}",
        _ADVICE,
    )
