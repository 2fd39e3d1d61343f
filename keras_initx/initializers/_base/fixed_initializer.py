"""The base of initializers of kernels that draw no random numbers."""

from typing import Any

from keras_initx.initializers._base.axes_initializer import AxesInitializer


class WithoutSeed:
    """What has no argument `seed`, and may find one in its config."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The initializer; `EinsumDense` adds a seed to the config."""
        return cls(**{name: config[name] for name in config if name != "seed"})


class FixedInitializer(WithoutSeed, AxesInitializer):
    """Base class: it knows what the axes of its kernel mean, and has no seed."""

    def __init__(
        self,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        # None would take a number from Python's generator.
        super().__init__(0, input_axes, output_axes, batch_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["seed"]
        return config
