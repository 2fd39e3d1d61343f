"""The kernels of T-Fixup, for people who build their own transformers."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.based_initializer import BasedInitializer
from keras_initx.initializers._depth import factors


@register("initializers")
@shared_arguments
class TFixupScaled(BasedInitializer):
    """Draws a kernel of a transformer that needs no normalization and no warm-up.

        K = 0.67 N^(-1/4) K_base       in an encoder of N layers
        K = (9 N)^(-1/4) K_base        in a decoder of N layers
        E = (9 N)^(-1/4) N(0, 1 / d)   embeddings of d numbers, in both

    The first two are for the value and output projections of attention and for both
    kernels of the feed-forward part. Query and key kernels take the base itself.
    `keras_initx.schemes.t_fixup` does all this on a model that is built already.

    The factor of the decoder was derived for layers with attention to an encoder.

    Examples:
    >>> scaled = keras_initx.initializers.TFixupScaled(num_layers=12, stack="encoder")
    >>> layer = keras.layers.Dense(512, "relu", kernel_initializer=scaled)

    Args:
        num_layers: int. N, the number of layers of this stack. Defaults to `1`.
        stack: str. `"encoder"` or `"decoder"`. Defaults to `"encoder"`.
        part: str. `"projection"` or `"embedding"`. Defaults to `"projection"`.
        base: ... Defaults to `None`, which means Glorot's uniform distribution, and for
            an embedding a normal one with variance 1 / d.
        groups: ...
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `num_layers` is not a positive integer, or if `stack` or `part`
            is unknown.

    Reference:
        Huang, Perez, Ba and Volkovs 2020, "Improving transformer optimization through
        better initialization", section 3.2,
        https://proceedings.mlr.press/v119/huang20f.html.
    """

    def __init__(
        self,
        num_layers: int = 1,
        stack: str = "encoder",
        part: str = "projection",
        base: Any = None,
        groups: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        owner = "TFixupScaled"
        self.stack = _validate.choice(owner, "stack", stack, ("encoder", "decoder"))
        self.part = _validate.choice(owner, "part", part, ("projection", "embedding"))
        super().__init__(base, groups, seed, input_axes, output_axes, batch_axes)
        self.num_layers = _validate.positive_integer(owner, "num_layers", num_layers)

    def default_base(self) -> Any:
        if self.part == "projection":
            return "glorot_uniform"
        # N(0, 1 / d) for a table of shape (words, d).
        return keras.initializers.VarianceScaling(1.0, "fan_out", "untruncated_normal")

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        if self.part == "embedding":
            factor = factors.t_fixup_embedding(self.num_layers)
        else:
            factor = factors.t_fixup(self.num_layers, self.stack)
        return factor * self.draw_base(axes, dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            "num_layers": self.num_layers,
            "stack": self.stack,
            "part": self.part,
            **super().get_config(),
        }
