"""Unitary recurrent kernels, in real form."""

from typing import Any

from keras_initx import _validate
from keras_initx._kernel import structured_unitary
from keras_initx._kernel.arrays import cast, namespace
from keras_initx._kernel.unitary import haar_unitary
from keras_initx._registry import register
from keras_initx.initializers._base.plain_initializer import SeededInitializer


@register("initializers", "unitary")
class Unitary(SeededInitializer):
    """Fills a recurrent kernel with a random unitary matrix in real form.

        K = [[Re U, Im U], [-Im U, Re U]]        U U* = I

    for a state [x, y] of 2 n real numbers, which stands for the n complex numbers
    x + y i. The kernel multiplies them by U, and keeps their norm.

    U is Haar-random, from the engine that draws orthogonal matrices. With
    `structured=True` it is the transpose of the product of Arjovsky, Shah and Bengio,

        W = D_3 R_2 F^-1 D_2 P R_1 F D_1

    with random phases D, reflections R, a permutation P and the Fourier transform F.
    That is a start only: training leaves neither the product nor the unitary matrices.
    `layers.UnitaryRNNCell` keeps both, and `constraints.Orthonormal` keeps the kernel
    orthogonal.

    Examples:
    >>> layer = keras.layers.SimpleRNN(64, recurrent_initializer="unitary")
    >>> kernel = keras_initx.initializers.Unitary(seed=0)((8, 8))
    >>> gram = keras.ops.matmul(keras.ops.transpose(kernel), kernel)
    >>> bool(keras.ops.all(keras.ops.abs(gram - keras.ops.eye(8)) < 1e-5))
    True
    >>> bool(keras.ops.all(kernel[:4, :4] == kernel[4:, 4:]))
    True

    Args:
        structured: bool. Whether U is the structured product. Defaults to `False`.
        seed: int, `keras.random.SeedGenerator` or None. As in Keras: an integer gives
            the same values at each call, a generator gives new ones, and None draws an
            integer once. Defaults to `None`.

    Call arguments:
        shape: tuple of int, `(2 * n, 2 * n)`.
        dtype: str or None. A floating-point dtype. Defaults to `keras.config.floatx()`.

    Returns:
        A tensor of that shape and dtype.

    Raises:
        ValueError: If the shape is not square or its size is odd.

    Reference:
        Arjovsky, Shah and Bengio 2016, "Unitary evolution recurrent neural networks",
        section 4, https://arxiv.org/abs/1511.06464. Mezzadri 2007, "How to generate
        random matrices from the classical compact groups",
        https://arxiv.org/abs/math-ph/0609050.
    """

    def __init__(self, structured: bool = False, seed: Any = None) -> None:
        super().__init__(seed)
        self.structured = bool(structured)

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] % 2:
            raise _validate.error(
                "Unitary",
                "a square kernel of even size, (2 * n, 2 * n), for n complex numbers",
                f"shape={shape}",
                "Use an even number of units. For the gates of an LSTM or GRU use "
                "`Blockwise('unitary')`, and 'haar_orthogonal' for other kernels.",
            )

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        size = shape[0] // 2
        if not self.structured:
            return haar_unitary(size, dtype, self.seed)
        product = structured_unitary.draw(size, dtype, self.seed)
        identity = namespace(product.phases).eye(2 * size, dtype=dtype)
        # Each row is one unit vector, real or imaginary.
        parts = product(identity[:, :size], identity[:, size:])
        return cast(namespace(parts[0]).concatenate(parts, axis=-1), dtype)

    def get_config(self) -> dict[str, Any]:
        return {"structured": self.structured, **super().get_config()}
