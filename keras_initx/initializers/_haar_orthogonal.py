"""Haar-random semi-orthogonal kernels."""

from typing import Any

from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.semi_orthogonal import SemiOrthogonalInitializer


@register("initializers", "haar_orthogonal")
class HaarOrthogonal(SemiOrthogonalInitializer):
    """Fills a kernel with `gain` times a Haar-random semi-orthogonal matrix.

    The kernel is read as a matrix `W` of shape `(fan_in, out_channels)`, the receptive
    field counting as input:

        W.T W = gain^2 I    where fan_in >= out_channels
        W W.T = gain^2 I    where fan_in <= out_channels

    Deep linear networks that start this way learn in a time that does not grow with
    depth. For a convolution this makes the map of each patch semi-orthogonal, which is
    not an orthogonal convolution: see `OrthogonalDelta`. Unlike
    `keras.initializers.Orthogonal` it reads attention kernels by their own axes, knows
    groups, works in float16 and bfloat16, and factorizes nothing: the matrix is made as
    a product of random reflections.

    Examples:
    >>> kernel = keras_initx.initializers.HaarOrthogonal(seed=0)((6, 4))
    >>> gram = keras.ops.matmul(keras.ops.transpose(kernel), kernel)
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(4)) < 1e-5))
    True
    >>> layer = keras.layers.Dense(64, kernel_initializer="haar_orthogonal")

    Args:
        gain: float, str, callable or `keras.layers.Layer`. All non-zero singular
            values. Positive; or an activation, whose `activations.gain` is taken: a
            name, a function or a layer. Defaults to `1.0`.
        groups: int. For a grouped convolution, its `groups`: the block of each group is
            semi-orthogonal on its own. Defaults to `1`.
        seed: int, `keras.random.SeedGenerator` or None. As in Keras. Defaults to
            `None`.
        input_axes: list of int or None. The input axes of the kernel. Defaults to
            `[-2]`.
        output_axes: list of int or None. The output axes. Defaults to `[-1]`.
        batch_axes: list of int or None. The axes that number independent kernels.
            Defaults to none.

    Raises:
        ValueError: If `gain` or `groups` is not positive, `gain` is not an elementwise
            activation, or if `groups` does not divide the number of output channels.

    Reference:
        Saxe, McClelland and Ganguli 2013, "Exact solutions to the nonlinear dynamics of
        learning in deep linear neural networks", section 3,
        https://arxiv.org/abs/1312.6120. Mezzadri 2007, "How to generate random matrices
        from the classical compact groups", https://arxiv.org/abs/math-ph/0609050.
        Stewart 1980, "The efficient generation of random orthogonal matrices with an
        application to condition estimators".
    """

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        matrices = self.blocks(axes, axes.fan_in, dtype)
        return axes.kernel(
            matrices, axes.batch + axes.spatial + axes.input + axes.output
        )
