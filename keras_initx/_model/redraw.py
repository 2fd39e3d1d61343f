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
        seed = getattr(self._initializer, "seed", None)
        self._count += 1
        if seed is not None:
            seed = split(seed, self._count)[-1]
        return new_value(self._initializer, variable, axes, blocks, seed)


def new_value(
    initializer: Any,
    variable: keras.Variable,
    axes: KernelAxes | None,
    blocks: int,
    seed: Any,
) -> Any:
    """What an initializer draws for a variable, told what its axes mean.

    Args:
        initializer: A function `(shape, dtype)`.
        variable: keras.Variable.
        axes: KernelAxes, or None: the initializer reads the shape by itself.
        blocks: int. Each of so many, side by side, is drawn on its own, unless the
            initializer knows blocks itself.
        seed: int, `SeedGenerator` or None: the initializer's own.
    """
    shape, dtype = tuple(variable.shape), dtype_of(variable)
    knows_blocks = isinstance(getattr(initializer, "blocks", None), int)
    if axes is None or blocks == 1 or knows_blocks:
        return with_axes(initializer, axes, seed)(shape, dtype=dtype)
    shape = (*shape[:-1], shape[-1] // blocks)
    axes = dataclasses.replace(axes, shape=shape)
    seeds = [None] * blocks if seed is None else split(seed, blocks)
    drawn = [with_axes(initializer, axes, each)(shape, dtype=dtype) for each in seeds]
    return keras.ops.concatenate(drawn, axis=-1)


def dtype_of(variable: keras.Variable) -> str:
    """The dtype in which a variable is stored."""
    dtype: str = keras.backend.standardize_dtype(stored(variable).dtype)
    return dtype
