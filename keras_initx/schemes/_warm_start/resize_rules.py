"""The rules of resizing that have a name, for `rules` and for the automatic choice."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_initx.schemes._warm_start.expert_copies import copied_to_experts
from keras_initx.schemes._warm_start.grid_positions import on_larger_grid
from keras_initx.schemes._warm_start.input_channels import for_channels
from keras_initx.schemes._warm_start.interpolated_positions import for_positions
from keras_initx.schemes._warm_start.new_vocabulary import for_vocabulary
from keras_initx.schemes._warm_start.selected_units import selected


@dataclasses.dataclass(frozen=True)
class Resizing:
    """What a rule gets.

    Attributes:
        old: np.ndarray. The array of the source.
        shape: tuple of int. The shape of the variable.
        own: A function that returns the present value of the variable.
        seed: int or `keras.random.SeedGenerator`.
    """

    old: np.ndarray
    shape: tuple[int, ...]
    own: Callable[[], np.ndarray]
    seed: Any

    def axis(self) -> int:
        """The only axis along which the shapes differ.

        Raises:
            ValueError: If there is no such axis.
        """
        pairs = zip(self.old.shape, self.shape, strict=True)
        (axis,) = (axis for axis, (old, new) in enumerate(pairs) if old != new)
        return axis


def _channels(resizing: Resizing) -> np.ndarray:
    axis = resizing.axis()
    return for_channels(resizing.old, axis, resizing.shape[axis])


def _vocabulary(resizing: Resizing) -> np.ndarray:
    axis = resizing.axis()
    return for_vocabulary(resizing.old, axis, resizing.shape[axis], resizing.seed)


def _positions(resizing: Resizing) -> np.ndarray:
    axis = resizing.axis()
    return for_positions(resizing.old, axis, resizing.shape[axis])


def _grid(resizing: Resizing) -> np.ndarray:
    axis = resizing.axis()
    return on_larger_grid(resizing.old, axis, resizing.shape[axis])


def _experts(resizing: Resizing) -> np.ndarray:
    return copied_to_experts(resizing.old, resizing.shape)


def _select(resizing: Resizing) -> np.ndarray:
    return selected(resizing.old, resizing.shape)


def _common(resizing: Resizing) -> np.ndarray:
    """The entries that both have from the source, the others of the model."""
    pairs = zip(resizing.old.shape, resizing.shape, strict=True)
    both = tuple(slice(min(old, new)) for old, new in pairs)
    array = np.array(resizing.own())
    array[both] = resizing.old[both]
    return array


RULES: dict[str, Callable[[Resizing], np.ndarray]] = {
    "channels": _channels,
    "vocabulary": _vocabulary,
    "positions": _positions,
    "grid": _grid,
    "experts": _experts,
    "select": _select,
    "common": _common,
}
