"""New kernels for the layers of a model, each by its own axes."""

import dataclasses
from typing import Any

import keras

from keras_initx._backend import stored
from keras_initx._backend.seeds import split
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.with_axes import with_axes


class Redraw:
    """Draws kernels with one initializer, never two from the same seed.

    An integer seed is hashed into one for each kernel. So is the one that an
    initializer without a seed drew when it was made. A `SeedGenerator` moves on.
    """

    def __init__(self, initializer: Any) -> None:
        self._initializer = keras.initializers.get(initializer)
        self._count = 0

    def __call__(
        self, variable: keras.Variable, axes: KernelAxes, blocks: int = 1
    ) -> Any:
        """A new value for the variable, whose axes mean this.

        Each of several `blocks` side by side is drawn on its own.
        """
        shape = tuple(variable.shape)
        dtype = keras.backend.standardize_dtype(stored(variable).dtype)
        if blocks == 1:
            return self._draw(axes, shape, dtype)
        shape = (*shape[:-1], shape[-1] // blocks)
        axes = dataclasses.replace(axes, shape=shape)
        drawn = [self._draw(axes, shape, dtype) for _ in range(blocks)]
        return keras.ops.concatenate(drawn, axis=-1)

    def _draw(self, axes: KernelAxes, shape: tuple[int, ...], dtype: str) -> Any:
        """One kernel, from a seed of its own."""
        self._count += 1
        return with_axes(self._initializer, axes, self._seed())(shape, dtype=dtype)

    def _seed(self) -> Any:
        """The seed of the present kernel; None if the initializer has none."""
        seed = getattr(self._initializer, "seed", None)
        return None if seed is None else split(seed, self._count)[-1]
