"""The base of initializers that change what another initializer draws."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.with_axes import with_axes
from keras_initx.initializers._base.axes_initializer import AxesInitializer


class BasedInitializer(AxesInitializer):
    """Base class: it has a `base`, which gets the axes, the groups and the seed.

    Without a seed, that of the base holds. A subclass that can do without a base
    defines `default_base`.
    """

    def __init__(
        self,
        base: Any,
        groups: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        owner = type(self).__name__
        self._has_default = base is None
        base = self.default_base() if base is None else base
        self.base = keras.initializers.get(base)
        if self.base is None:
            raise _validate.error(
                owner,
                "a `base` initializer",
                "base=None",
                "Pass for example 'haar_orthogonal' or 'he_normal'.",
            )
        self.groups = _validate.positive_integer(owner, "groups", groups)
        if seed is None:
            self.seed = getattr(self.base, "seed", self.seed)

    def default_base(self) -> Any:
        """The base if none is given, or None."""
        return None

    def draw_base(self, axes: KernelAxes, dtype: str) -> Any:
        """What the base draws for a kernel with these axes."""
        return with_axes(self.base, axes, self.seed)(axes.shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        base = None if self._has_default else keras.initializers.serialize(self.base)
        return {
            "base": base,
            "groups": self.groups,
            **super().get_config(),
        }
