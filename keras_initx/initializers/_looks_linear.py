"""Mirrored kernels: the network starts as a linear one."""

import dataclasses
from typing import Any

from keras import ops

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.based_initializer import BasedInitializer


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

    The network is exactly linear if nothing else changes the halves:

    - Biases. A CReLU network may have any, and is then affine. A plain ReLU network
      needs biases of zero.
    - `Flatten` after `CReLU` mixes the halves. Put it before: `Flatten`, `CReLU`,
      `Dense`.
    - Grouped convolutions need `groups` here and in `CReLU`. In a plain ReLU network
      all layers from `"output"` to `"input"` need the same `groups`.
    - Depthwise convolutions have no input axis to mirror, which is an error.
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

    Args:
        base: str, `keras.initializers.Initializer` or dict. Where W comes from. It gets
            the `seed`, the axes and the groups below, if it takes them and names none
            of its own. Defaults to `"haar_orthogonal"`.
        mirror: str. The mirrored axes: `"input"`, `"output"` or `"both"`. If several
            axes are input or output axes, the last of them is mirrored. Defaults to
            `"input"`.
        seed: ... None keeps the seed of `base`.
        input_axes: ...
        output_axes: ...
        batch_axes: ...
        groups: int. The `groups` of a grouped convolution. Each group is then mirrored
            on its own. Defaults to `1`.

    Raises:
        ValueError: If `base` is None, `mirror` is unknown, `groups` is not positive or
            does not divide the number of output channels, a mirrored axis has an odd
            size (in each group), or there is no axis to mirror.

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
    ) -> None:
        super().__init__(base, groups, seed, input_axes, output_axes, batch_axes)
        self.mirror = _validate.choice(
            "LooksLinear", "mirror", mirror, ("input", "output", "both")
        )

    def check(self, axes: KernelAxes) -> None:
        if not axes.input or not (axes.output or self.mirror == "input"):
            raise _validate.error(
                "LooksLinear",
                "a kernel with axes to mirror",
                f"shape={axes.shape}, which has the input axes {axes.input}, the "
                f"output axes {axes.output} and the batch axes {axes.batch}",
                "A depthwise convolution cannot be mirrored: use `base` itself there.",
            )
        for axis, groups in self._mirrored(axes):
            if axes.shape[axis] % (2 * groups):
                each = f" in each of {groups} groups" if groups > 1 else ""
                raise _validate.error(
                    "LooksLinear",
                    f"an even size of each mirrored axis{each} "
                    f"(mirror={self.mirror!r})",
                    f"shape={axes.shape}, where axis {axis} has size "
                    f"{axes.shape[axis]}",
                    "Use an even number of channels. Use `base` itself if the layer's "
                    "inputs and outputs are not doubled.",
                )

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        mirrored = self._mirrored(axes)
        half = list(axes.shape)
        for axis, _ in mirrored:
            half[axis] //= 2
        kernel = self.draw_base(dataclasses.replace(axes, shape=tuple(half)), dtype)
        for axis, groups in mirrored:
            kernel = _mirror(kernel, axis, groups)
        return kernel

    def _mirrored(self, axes: KernelAxes) -> list[tuple[int, int]]:
        """The axes to mirror, each with the number of groups that it runs through."""
        input, output = (axes.input[-1:], axes.output[-1:])
        roles = {"input": input, "output": output, "both": input + output}
        return [
            (axis, self.groups if axis in output else 1) for axis in roles[self.mirror]
        ]

    def get_config(self) -> dict[str, Any]:
        return {"mirror": self.mirror, **super().get_config()}


def _mirror(kernel: Any, axis: int, groups: int) -> Any:
    """Puts after each group its negative, along one axis."""
    shape = tuple(kernel.shape)
    before, size, after = shape[:axis], shape[axis], shape[axis + 1 :]
    kernel = ops.reshape(kernel, (*before, groups, size // groups, *after))
    kernel = ops.concatenate([kernel, -kernel], axis=axis + 1)
    return ops.reshape(kernel, (*before, 2 * size, *after))
