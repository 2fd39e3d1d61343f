"""Mirrored kernels: the network starts as a linear one."""

from typing import Any

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.mirrors import Mirror, mirrored
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.based_initializer import BasedInitializer
from keras_initx.initializers._base.mirrored_layer import check_layer


@register("initializers", "looks_linear")
@shared_arguments
class LooksLinear(BasedInitializer):
    """Mirrors a kernel, so that a network of rectifiers starts as a linear function.

    Because `relu(x) - relu(-x) = x`, a mirrored kernel undoes the rectifier before it:

        K = [[W], [-W]]            mirror="input"
        K = [W, -W]                mirror="output"
        K = [[W, -W], [-W, W]]     mirror="both"

    with W from `base`, of half the size; rows are inputs. In a CReLU network each layer
    after `layers.CReLU` takes `"input"`, and the first one takes `base` itself. In a
    plain ReLU network of doubled width the first layer takes `"output"`, the hidden
    ones `"both"`, and the last one `"input"`. The gradient then does not shatter with
    depth, and the network trains very deep without skip connections.

    GELU, SiLU, hard SiLU and softplus have the identity `f(x) - f(-x) = x` too, as each
    is x / 2 plus an even function (derived here, not in the paper): plain networks of
    doubled width with them start exactly linear as well. `f(x) - f(-x) = (1 + a) x` for
    a leaky ReLU of slope a. Mish, ELU, SELU and tanh have no such identity.

    The network is exactly linear if nothing else changes the halves. The scheme
    `looks_linear` sets all this by itself on a whole model, and checks it. By hand:

    - Biases. A CReLU network may have any, and is then affine. A plain network needs
      biases of zero.
    - `Flatten` after `CReLU` puts the halves of each pixel side by side. Tell the layer
      after it the number of channels that `CReLU` returns, as `period`. With
      `data_format="channels_first"` the halves of the whole vector are the right ones,
      and `period` stays None. Or put `Flatten` before `CReLU`. In a plain network the
      period is the number of filters before `Flatten`.
    - Grouped convolutions need `groups` here and in `CReLU`. In a plain network all
      layers from `"output"` to `"input"` need the same `groups`.
    - Depthwise convolutions keep the channels apart, so after `CReLU` both halves need
      equal kernels: `mirror="input"` with `batch_axes=[-2]` draws them, and the next
      layer is mirrored as if it came after `CReLU`. A rectifier must not come in
      between. The depthwise kernel of a `SeparableConv2D` is such a one too.
    - Max-pooling is not linear, and normalization of the halves after a rectifier makes
      them differ. Average pooling does no harm.

    Examples:
    >>> model = keras.Sequential([
    ...     keras.Input((64,)),
    ...     keras.layers.Dense(32, kernel_initializer="haar_orthogonal"),
    ...     keras_initx.layers.CReLU(),
    ...     keras.layers.Dense(10, kernel_initializer="looks_linear"),
    ... ])
    >>> x = keras.random.normal((1, 64), seed=0)
    >>> bool(keras.ops.all(keras.ops.abs(model(x) + model(-x)) < 1e-5))
    True
    >>> after_flatten = keras_initx.initializers.LooksLinear(period=2, seed=0)
    >>> kernel = after_flatten((6, 3))  # 3 pixels with 2 channels
    >>> bool(keras.ops.all(kernel[0::2] == -kernel[1::2]))
    True

    Args:
        base: str, `keras.initializers.Initializer` or dict. Where W comes from. It gets
            the `seed`, the axes and the groups below, if it takes them and names none
            of its own. Defaults to `"haar_orthogonal"`.
        mirror: str. The mirrored axes: `"input"`, `"output"` or `"both"`. If several
            axes are input or output axes, the last of them is mirrored. If there is no
            input axis, `"input"` makes both halves of the last batch axis equal.
            Defaults to `"input"`.
        seed: ... None keeps the seed of `base`.
        input_axes: ...
        output_axes: ...
        batch_axes: ...
        groups: int. The `groups` of a grouped convolution. The outputs of each group
            are then mirrored on their own. Defaults to `1`.
        period: int or None. Each run of so many inputs is mirrored in halves. Defaults
            to `None`, which means that all inputs are one run.

    Raises:
        ValueError: If `base` is None, `mirror` is unknown, `groups` is not positive or
            does not divide the number of output channels, `period` is odd, does not
            divide the inputs or is given for `mirror="output"`, a mirrored axis has an
            odd size (in each group), or there is no axis to mirror. Also if the layer
            that is being built is a grouped, depthwise or transposed convolution, and
            `groups` or the axes are not its own.

    Reference:
        Balduzzi et al. 2017, "The shattered gradients problem: if resnets are the
        answer, then what is the question?", the "looks linear" initialization,
        https://arxiv.org/abs/1702.08591.
    """

    def __init__(
        self,
        base: Any = "haar_orthogonal",
        mirror: str = "input",
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
        groups: int = 1,
        period: int | None = None,
    ) -> None:
        super().__init__(base, groups, seed, input_axes, output_axes, batch_axes)
        self.mirror = _validate.choice(
            "LooksLinear", "mirror", mirror, ("input", "output", "both")
        )
        self.period = _period(period, self.mirror)

    def check(self, axes: KernelAxes) -> None:
        if not self._mirrors(axes):
            raise _validate.error(
                "LooksLinear",
                f"a kernel with axes to mirror (mirror={self.mirror!r})",
                f"shape={axes.shape}, which has the input axes {axes.input}, the "
                f"output axes {axes.output} and the batch axes {axes.batch}",
                "A depthwise convolution takes mirror='input', which makes the kernels "
                "of both halves equal, or `base` itself.",
            )
        for each in self._mirrors(axes):
            self._check_run(axes, each)
        check_layer(self.mirror, axes)

    def _check_run(self, axes: KernelAxes, mirror: Mirror) -> None:
        """Raises if the runs do not fill the axis, or have no halves."""
        size, run = axes.shape[mirror.axis], mirror.run
        if size == 0 or (run and size % run == 0 and run % 2 == 0):
            return
        received = f"shape={axes.shape}, where axis {mirror.axis} has size {size}"
        is_output = mirror.axis in axes.output
        if self.period is not None and not is_output:
            raise _validate.error(
                "LooksLinear",
                "a number of inputs that is a multiple of `period`",
                f"period={self.period}, {received}",
                "Pass the number of channels that `CReLU` returns before `Flatten`.",
            )
        is_grouped = is_output and self.groups > 1
        each = f" in each of {self.groups} groups" if is_grouped else ""
        raise _validate.error(
            "LooksLinear",
            f"an even size of each mirrored axis{each} (mirror={self.mirror!r})",
            received,
            "Use an even number of channels. Use `base` itself if the layer's inputs "
            "and outputs are not doubled.",
        )

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        def half(axes: KernelAxes) -> Any:
            return self.draw_base(axes, dtype)

        return mirrored(half, axes, self._mirrors(axes), dtype)

    def _mirrors(self, axes: KernelAxes) -> list[Mirror]:
        """The axes to mirror; none if one of them is missing."""
        found = []
        if self.mirror != "output":
            # A depthwise kernel has no axis over which it sums.
            is_copied = self.mirror == "input" and not axes.input
            for axis in axes.batch[-1:] if is_copied else axes.input[-1:]:
                run = self.period or axes.shape[axis]
                found.append(Mirror(axis, run, 1 if is_copied else -1))
        if self.mirror != "input":
            for axis in axes.output[-1:]:
                run, rest = divmod(axes.shape[axis], self.groups)
                found.append(Mirror(axis, 0 if rest else run))
        return found if len(found) == 1 + (self.mirror == "both") else []

    def get_config(self) -> dict[str, Any]:
        return {"mirror": self.mirror, "period": self.period, **super().get_config()}


def _period(period: Any, mirror: str) -> int | None:
    """A period, as a Python int."""
    if period is None:
        return None
    if mirror == "output":
        raise _validate.error(
            "LooksLinear",
            "no `period` where only the outputs are mirrored",
            f"period={period!r}, mirror='output'",
            "A period is one of inputs; for runs of outputs pass `groups`.",
        )
    if not _validate.is_integer(period) or period < 2 or period % 2:
        raise _validate.error(
            "LooksLinear",
            "`period` to be an even integer of at least 2, or None",
            f"period={period!r}",
            "Pass the number of channels that `CReLU` returns before `Flatten`.",
        )
    return int(period)
