"""Kernels that are smaller in deeper networks."""

from typing import Any

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.based_initializer import BasedInitializer
from keras_initx.initializers._depth import factors

_RULES = {
    "gpt2": factors.gpt2,
    "deepnorm": factors.deepnorm,
    "complete_p": factors.complete_p,
}


@register("initializers")
@shared_arguments
class DepthScaled(BasedInitializer):
    """Draws a kernel and multiplies it by a factor that falls with depth.

        K = (2 N)^(-1/2) K_base     rule="gpt2"
        K = (8 N)^(-1/4) K_base     rule="deepnorm"
        K = N^(-1) K_base           rule="complete_p"

    with N = `num_layers`, the number of blocks. The first and the last rule are for the
    last kernel of each residual branch, the second one for the value and output
    projections and the feed-forward kernels. The factor is one of the standard
    deviation: `scale` of Keras's `VarianceScaling` is a variance, and a factor that is
    given there must be squared. `keras_initx.schemes.depth_scale` applies these rules
    and others to a model that is built already.

    `"deepnorm"` is for a model that is an encoder or a decoder, and goes with shortcuts
    that are multiplied by alpha = (2 N)^(1/4) before `LayerNormalization`.

    Examples:
    >>> last = keras_initx.initializers.DepthScaled("glorot_uniform", num_layers=12)
    >>> layer = keras.layers.Dense(512, kernel_initializer=last)

    Args:
        base: ... Defaults to `"glorot_uniform"`.
        num_layers: int. N, the number of blocks. Defaults to `1`.
        rule: str. `"gpt2"`, `"deepnorm"` or `"complete_p"`. Defaults to `"gpt2"`.
        groups: ...
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `num_layers` is not a positive integer, or `rule` is unknown.

    Reference:
        - GPT-2: Radford et al. 2019, "Language models are unsupervised multitask
          learners", section 2.3.
        - DeepNorm: Wang et al. 2022, "DeepNet: scaling transformers to 1,000 layers",
          figure 2, https://arxiv.org/abs/2203.00555.
        - CompleteP: Dey et al. 2025, "Don't be lazy: CompleteP enables
          compute-efficient deep transformers", https://arxiv.org/abs/2505.01618.
    """

    def __init__(
        self,
        base: Any = "glorot_uniform",
        num_layers: int = 1,
        rule: str = "gpt2",
        groups: int = 1,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(base, groups, seed, input_axes, output_axes, batch_axes)
        self.num_layers = _validate.positive_integer(
            "DepthScaled", "num_layers", num_layers
        )
        self.rule = _validate.choice("DepthScaled", "rule", rule, tuple(_RULES))

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        return _RULES[self.rule](self.num_layers) * self.draw_base(axes, dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            "num_layers": self.num_layers,
            "rule": self.rule,
            **super().get_config(),
        }
