"""The base of every initializer here: dtypes, shapes, and the order of the checks."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_initx._kernel.generators  # noqa: F401  (teaches `copy` and `pickle`)
from keras_initx import _backend, _validate
from keras_initx._backend import drawing
from keras_initx._keras import in_symbolic_scope
from keras_initx._kernel.random import drawing_on_device


class PlainInitializer(keras.initializers.Initializer):
    """Base class: an initializer that fills a tensor of any rank as a whole.

    For biases, for fixed values, and for matrices whose axes need no names. A subclass
    defines `draw`, and `check` if there are shapes that it cannot fill. One that draws
    random numbers derives from `SeededInitializer`, and one whose kernel has input and
    output axes from `AxesInitializer`.
    """

    # Whether a few operations make a large kernel, so that a device makes it fast.
    may_draw_on_device = False

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Fills a tensor.

        The computation runs in float32, or in float64 where that is asked for. The
        result is cast last, so that float16 and bfloat16 work on every backend.

        Call arguments:
            shape: tuple of int. For a kernel
                `(*kernel_size, in_channels, out_channels)`, or what the axes say.
            dtype: str or None. A floating-point dtype. Defaults to
                `keras.config.floatx()`.

        Returns:
            A tensor of that shape and dtype.

        Raises:
            ValueError: If the dtype is not a floating-point one, or if the shape does
                not fit.
        """
        owner = type(self).__name__
        dtype = _validate.float_dtype(owner, dtype)
        shape = _validate.shape(owner, shape)
        target = self.read(shape)
        self.check(target)
        if 0 in shape or in_symbolic_scope():
            # A layer that is built where Keras only asks for shapes draws again.
            return ops.zeros(shape, dtype=dtype)
        wide = "float64" if dtype == "float64" else "float32"
        values = self.values(target, shape, wide)
        if isinstance(values, np.ndarray):
            values = _backend.to_tensor(values)
        return ops.convert_to_tensor(values, dtype=dtype)

    def values(self, target: Any, shape: tuple[int, ...], dtype: str) -> Any:
        """What `draw` makes, on the accelerator where that is faster."""
        may_be = self.may_draw_on_device
        if may_be and drawing.draws_on_device(math.prod(shape)):
            with drawing_on_device():
                return self.draw(target, dtype)
        return self.draw(target, dtype)

    def read(self, shape: tuple[int, ...]) -> Any:
        """What `check` and `draw` get: the shape, or more than that."""
        return shape

    def check(self, target: Any) -> None:
        """Raises a `ValueError` if the class cannot fill this."""

    def draw(self, target: Any, dtype: str) -> Any:
        """The values, a NumPy array or a tensor; `dtype` is float32 or float64."""
        raise NotImplementedError


class SeededInitializer(PlainInitializer):
    """Base class: a plain initializer with a `seed`, which means what it does in Keras.

    Args:
        seed: int, `keras.random.SeedGenerator` or None. An integer gives the same
            values at each call, a generator new ones, and None is an integer that is
            drawn when the initializer is made. Defaults to `None`.
    """

    def __init__(self, seed: Any = None) -> None:
        # Keras has no public class that only reads a seed.
        self._of_keras = keras.initializers.RandomNormal(seed=seed)
        self.seed: Any = self._of_keras.seed

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        return {"seed": self._of_keras.get_config()["seed"]}
