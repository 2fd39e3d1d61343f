"""Orthogonal convolutions with all taps in use."""

from typing import Any

from keras_initx._backend.seeds import split
from keras_initx._kernel.arrays import cast, namespace
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.haar import haar
from keras_initx._kernel.random import uniform
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.semi_orthogonal import SemiOrthogonalInitializer


@register("initializers", "convolution_orthogonal")
@shared_arguments
class ConvolutionOrthogonal(SemiOrthogonalInitializer):
    """Draws a convolution that is orthogonal as a whole, with all its taps in use.

        K(z) = gain * Q prod_a prod_s (P_as + (I - P_as) z_a)

    is the polynomial whose coefficients are the taps; z_a shifts along the spatial axis
    a, which has size - 1 factors. Q is Haar-random of shape `(in_channels,
    out_channels)`; each P projects on a random subspace, spanned by the columns of a
    Haar-random matrix that a fair coin selects, one by one. All singular values of K(z)
    are `gain` where |z_a| = 1. So a convolution with stride 1 and circular padding
    multiplies the norm of every input by `gain`, if there are no more input channels
    than output channels; otherwise it does so for its transpose, and P stands before Q.
    Zeros as padding, Keras's `"same"`, lose some of the norm at the borders:
    `OrthogonalDelta` does not, but uses a single tap. A kernel of rank 2 is plain
    orthogonal. Kernel sizes may differ, and may be even.

    Examples:
    >>> kernel = keras_initx.initializers.ConvolutionOrthogonal(seed=0)((3, 3, 4, 8))
    >>> symbol = keras.ops.sum(kernel, axis=(0, 1))  # at frequency 0
    >>> gram = keras.ops.matmul(symbol, keras.ops.transpose(symbol))
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(4)) < 1e-5))
    True
    >>> layer = keras.layers.Conv2D(64, 3, kernel_initializer="convolution_orthogonal")

    Args:
        gain: ...
        groups: ...
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `gain` or `groups` is not positive, `gain` is not an elementwise
            activation, `groups` does not divide the number of output channels, or
            the kernel has more than three spatial axes.

    Reference:
        Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs",
        the orthogonal kernel, https://arxiv.org/abs/1806.05393. Kernel sizes that
        differ, and more inputs than outputs, are our extension.
    """

    most_spatial_axes = 3

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        in_channels = axes.count(axes.input)
        out_channels = axes.count(axes.output) // self.groups
        shifts = _shifts(axes.sizes(axes.spatial))
        seed, *seeds = split(self.seed, 1 + 2 * len(shifts))

        blocks = (axes.count(axes.batch), self.groups)
        q = haar((*blocks, in_channels, out_channels), dtype, seed, self.gain)
        xp, taps = namespace(q), tuple(range(2, 2 + len(axes.spatial)))
        kernel = xp.expand_dims(q, taps)
        for shift, *of_factor in zip(shifts, seeds[::2], seeds[1::2], strict=True):
            width = max(in_channels, out_channels)
            p = xp.expand_dims(_projection((*blocks, width), dtype, *of_factor), taps)
            factors = (kernel, p) if in_channels <= out_channels else (p, kernel)
            kept = xp.matmul(*factors)
            after = [(0, int(axis == taps[shift])) for axis in range(len(kernel.shape))]
            before = [(zeros, 0) for _, zeros in after]
            kernel = xp.pad(kept, after) + xp.pad(kernel - kept, before)
        kernel = xp.moveaxis(kernel, 1, -2)
        return axes.kernel(kernel, axes.batch + axes.spatial + axes.input + axes.output)


def _shifts(kernel_size: tuple[int, ...]) -> list[int]:
    """The spatial axis of each factor: size - 1 for each axis, one after the other."""
    return [
        axis
        for step in range(max(kernel_size, default=1) - 1)
        for axis, size in enumerate(kernel_size)
        if step < size - 1
    ]


def _projection(shape: tuple[int, ...], dtype: str, q_seed: Any, coin_seed: Any) -> Any:
    """Projections of shape `(*shape, n)` on random subspaces of n = shape[-1] axes."""
    n = shape[-1]
    q = haar((*shape, n), dtype, q_seed)
    xp = namespace(q)
    is_kept = uniform((*shape[:-1], 1, n), coin_seed) < 0.5
    return xp.matmul(q * cast(is_kept, dtype), xp.swapaxes(q, -1, -2))
