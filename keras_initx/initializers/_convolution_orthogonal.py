"""Orthogonal convolutions that use the whole kernel."""

import math
from typing import Any

from keras_initx._backend.seeds import split
from keras_initx._kernel.arrays import namespace
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.borders import binomial_shares
from keras_initx._kernel.haar import haar
from keras_initx._kernel.polynomials import product
from keras_initx._kernel.random import uniform
from keras_initx._registry import register
from keras_initx.initializers._base.all_taps_orthogonal import AllTapsOrthogonal
from keras_initx.initializers._base.arguments import shared_arguments


@register("initializers", "convolution_orthogonal")
@shared_arguments
class ConvolutionOrthogonal(AllTapsOrthogonal):
    """Draws a convolution that is orthogonal as a whole and uses the whole kernel.

        K(z) = gain * Q prod_s prod_a (P_as + (I - P_as) z_a)

    The taps are the coefficients of this polynomial. z_a shifts by one step along the
    spatial axis a, and an axis of size k has k - 1 factors. Q is Haar-random, of shape
    `(in_channels, out_channels)`. Each P projects onto a random subspace: a fair coin
    decides for each column of a Haar-random matrix whether it spans the subspace. All
    singular values of K(z) are `gain` where |z_a| = 1. With more input channels than
    output channels the transpose of such a kernel is drawn. A kernel of rank 2 is plain
    orthogonal. Kernel sizes may differ, and may be even.

    Some layers are then exact, whatever the size of the image:

    - A convolution with circular padding multiplies the norm of every input by `gain`,
      if it has no more input channels than output channels. The second example shows
      the padding. So does a transposed convolution with `padding="valid"`, which keeps
      the whole image that the taps write, also with strides.
    - A convolution with `padding="valid"`, or with circular padding and strides, has
      only the singular value `gain`, if it has no more output channels than input
      channels: it forgets a part of the input, and keeps the norm of the rest.

    Zero padding, `padding="same"`, is not exact, because it cuts off what the taps
    would write beyond the borders. Most singular values are still `gain`. Some are
    exactly zero: on one axis, with equal numbers c of channels, as many as the sum of
    the ranks of the k - 1 matrices I - P differs from `c * ((k - 1) // 2)`. For an odd
    k these are about `sqrt((k - 1) * c / (2 pi))`, for example 4.5 with 3 taps and 64
    channels. An image of n x n pixels has about n times as many for each axis. And the
    mean square falls with depth: `image_size` makes up for that. `OrthogonalDelta`
    loses nothing, but it uses a single tap.

    With few channels some taps can be zero. A coin for each of n = max(in_channels,
    out_channels) columns gives P = 0 or P = I with probability 2^(1 - n). That factor
    then shifts everything or nothing, and the kernel has zeros at one end. With m
    factors, at least one tap is zero with probability 1 - (1 - 2^(1 - n))^m: 0.41 for a
    3 x 3 kernel with 4 channels, 0.00012 with 16. With one channel, as in a depthwise
    convolution, each factor is such a shift: one tap is `gain` or `-gain`, and the
    layer moves the image by random steps, up to (k - 1) / 2 pixels to either side.

    Examples:
    >>> kernel = keras_initx.initializers.ConvolutionOrthogonal(seed=0)((3, 3, 4, 8))
    >>> symbol = keras.ops.sum(kernel, axis=(0, 1))  # at frequency 0
    >>> gram = keras.ops.matmul(symbol, keras.ops.transpose(symbol))
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(4)) < 1e-5))
    True
    >>> layer = keras.layers.Conv2D(64, 3, kernel_initializer="convolution_orthogonal")
    >>> def wrap(x):  # one pixel on each side, for 3 x 3 taps
    ...     x = keras.ops.concatenate([x[:, -1:], x, x[:, :1]], axis=1)
    ...     return keras.ops.concatenate([x[:, :, -1:], x, x[:, :, :1]], axis=2)
    >>> inputs = keras.random.normal((1, 8, 8, 16), seed=0)
    >>> def norm(x):
    ...     return keras.ops.norm(keras.ops.reshape(x, (-1,)))
    >>> outputs = layer(wrap(inputs))
    >>> bool(keras.ops.abs(norm(outputs) / norm(inputs) - 1) < 1e-5)
    True
    >>> full = keras.layers.Conv2DTranspose(
    ...     64,
    ...     3,
    ...     kernel_initializer=keras_initx.ConvolutionOrthogonal(
    ...         input_axes=[-1], output_axes=[-2]
    ...     ),
    ... )
    >>> bool(keras.ops.abs(norm(full(inputs)) / norm(inputs) - 1) < 1e-5)
    True

    Args:
        gain: ...
        groups: ...
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...
        scale: ... Here `in` and `out` are the channels, in a group.
        strides: ... It matters in a transposed convolution with `scale="variance"`,
            whose kernel is multiplied by `sqrt(strides)`.
        image_size: ...

    Raises:
        ValueError: If `gain`, `groups`, `strides` or `image_size` is not positive,
            `gain` is not an elementwise activation, `scale` is unknown, `groups` does
            not divide the number of output channels, `image_size` does not fit the
            kernel, or this has more than three spatial axes.

    Reference:
        Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs",
        the orthogonal kernel, https://arxiv.org/abs/1806.05393. Kernel sizes that
        differ, and more inputs than outputs, are our extension. What padding does to it
        is derived here.
    """

    most_spatial_axes = 3
    shares = staticmethod(binomial_shares)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        inputs = axes.count(axes.input)
        outputs = axes.count(axes.output) // self.groups
        few, many = sorted((inputs, outputs))
        shifts = _shifts(axes.sizes(axes.spatial))
        first_seed, others_seed, coin_seed = split(self.seed, 3)

        # Factor s is U_s D_s(z) U_s.T. What stands between D_s and D_(s+1), U_s.T times
        # U_(s+1), is Haar-random and independent again, so it is drawn itself.
        blocks = (axes.count(axes.batch), self.groups)
        value = self.singular_value(axes, inputs)
        first = haar((*blocks, few, many), dtype, first_seed, value)
        xp = namespace(first)
        if shifts:
            others = haar((len(shifts), *blocks, many, many), dtype, others_seed)
            stays = uniform((len(shifts), *blocks, many), coin_seed) < 0.5
            kernel = product(first, others, stays, shifts)
        else:
            kernel = xp.expand_dims(first, -3)
        if inputs > outputs:
            kernel = xp.swapaxes(kernel, -1, -2)
        kernel = xp.moveaxis(kernel, 1, -2)
        return axes.kernel(kernel, axes.batch + axes.spatial + axes.input + axes.output)


def _shifts(kernel_size: tuple[int, ...]) -> list[int]:
    """How far each factor shifts in the row of all taps: the stride of its axis.

    An axis has size - 1 factors. The axes take turns, as in the paper.
    """
    strides = [math.prod(kernel_size[axis + 1 :]) for axis in range(len(kernel_size))]
    return [
        stride
        for step in range(max(kernel_size, default=1) - 1)
        for stride, size in zip(strides, kernel_size, strict=True)
        if step < size - 1
    ]
