"""Haar-random semi-orthogonal kernels."""

from typing import Any

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.borders import equal_shares
from keras_initx._registry import register
from keras_initx.initializers._base.all_taps_orthogonal import AllTapsOrthogonal
from keras_initx.initializers._base.arguments import shared_arguments


@register("initializers", "haar_orthogonal")
@shared_arguments
class HaarOrthogonal(AllTapsOrthogonal):
    """Fills a kernel with `gain` times a Haar-random semi-orthogonal matrix.

    The kernel is read as a matrix `W` of shape `(fan_in, out_channels)`. The rows are
    the input channels at each position of the receptive field, position by position:

        W.T W = gain^2 I    if fan_in >= out_channels
        W W.T = gain^2 I    if fan_in <= out_channels

    All singular values are `gain`. Deep linear networks that start this way learn in a
    number of steps that does not grow with depth, at learning rates of `c / depth`. At
    a fixed rate that number falls with depth, and the deepest networks diverge.

    From few to many units the mean square then falls: with more outputs than `fan_in`
    it is multiplied by `gain^2 * fan_in / out_channels`, for example by
    `0.125 * gain^2` from 64 to 512 units. `scale="variance"` multiplies the matrix by
    `max(sqrt(out_channels / fan_in), 1)`. In any shape the kernel has the variance
    `gain^2 / fan_in`, so that `gain="relu"` keeps the mean square of the
    pre-activations, as He's rule does. The singular values are then larger than `gain`
    in layers that get wider.

    In a convolution the map of each patch is semi-orthogonal. That is not an orthogonal
    convolution (see `OrthogonalDelta`), unless the patches do not overlap: take it for
    patch embeddings. A transposed convolution whose kernel size equals its strides
    keeps the norm with the default axes, if it has no more input channels than output
    values for each pixel.

    Unlike `keras.initializers.Orthogonal` it reads attention kernels by their own axes,
    has `groups`, and works in float16 and bfloat16. It is fast because it factorizes
    nothing: the matrix is a product of random reflections.

    Examples:
    >>> kernel = keras_initx.initializers.HaarOrthogonal(seed=0)((6, 4))
    >>> gram = keras.ops.matmul(keras.ops.transpose(kernel), kernel)
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(4)) < 1e-5))
    True
    >>> layer = keras.layers.Dense(64, kernel_initializer="haar_orthogonal")

    Args:
        gain: ...
        groups: ...
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...
        scale: ... Here `in` is `fan_in`, and `out` the output channels of a group.
        strides: ... It matters in a transposed convolution with `scale="variance"`: an
            output sums `fan_in / strides` inputs, and the kernel is multiplied by
            `sqrt(strides)`.
        image_size: ...

    Raises:
        ValueError: If `gain` is neither positive nor an elementwise activation, `scale`
            is unknown, `groups` or `strides` is not positive, `groups` does not divide
            the number of output channels, or `image_size` is not positive or does not
            fit the kernel.

    Reference:
        Saxe, McClelland and Ganguli 2013, "Exact solutions to the nonlinear dynamics of
        learning in deep linear neural networks", section 3,
        https://arxiv.org/abs/1312.6120. Mezzadri 2007, "How to generate random matrices
        from the classical compact groups", https://arxiv.org/abs/math-ph/0609050.
        Stewart 1980, "The efficient generation of random orthogonal matrices with an
        application to condition estimators". `scale="variance"` is the scaled uniform
        orthogonal distribution of Martens et al. 2021, "Rapid training of deep neural
        networks without skip connections or normalization layers using deep kernel
        shaping", https://arxiv.org/abs/2110.01765; groups and strides are our
        extension.
    """

    shares = staticmethod(equal_shares)
    may_draw_on_device = True

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        matrices = self.blocks(axes, axes.fan_in, dtype)
        return axes.kernel(
            matrices, axes.batch + axes.spatial + axes.input + axes.output
        )
