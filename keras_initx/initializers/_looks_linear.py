"""Mirrored kernels: the network starts as a linear one."""

from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._kernel.axes import KernelAxes
from keras_initx._registry import register
from keras_initx.initializers._base.axes_initializer import AxesInitializer


@register("initializers", "looks_linear")
class LooksLinear(AxesInitializer):
    """Mirrors a kernel, so that a network of rectifiers starts as a linear function.

    Because `relu(x) - relu(-x) = x`, a mirrored kernel undoes the rectifier in front of
    it:

        K = [[W], [-W]]            mirror="input"
        K = [W, -W]                mirror="output"
        K = [[W, -W], [-W, W]]     mirror="both"

    with W from `base`, of half the size; rows are inputs. In a CReLU network each layer
    behind `layers.CReLU` takes `"input"`, and the first one `base` itself. In a plain
    ReLU network of doubled width the first layer takes `"output"`, the hidden ones
    `"both"`, and the last one `"input"`. The gradient then does not shatter with depth,
    and the network trains very deep without skip connections. It is exactly linear as
    long as biases are zero, without max-pooling and normalization; average pooling does
    no harm.

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
        base: str, `keras.initializers.Initializer` or dict. Where W comes from. It is
            given the `seed` and the axes below, where it takes them. Defaults to
            `"haar_orthogonal"`.
        mirror: str. The mirrored axes: `"input"`, `"output"` or `"both"`. Where several
            axes are input or output axes, the last of them is mirrored. Defaults to
            `"input"`.
        seed: int, `keras.random.SeedGenerator` or None. As in Keras. Defaults to
            `None`, which keeps the seed of `base`.
        input_axes: list of int or None. The input axes of the kernel. Defaults to
            `[-2]`.
        output_axes: list of int or None. The output axes. Defaults to `[-1]`.
        batch_axes: list of int or None. The axes that number independent kernels.
            Defaults to none.

    Raises:
        ValueError: If `base` is None, `mirror` is unknown, or a mirrored axis has an
            odd size.

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
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        self.base = keras.initializers.get(base)
        if self.base is None:
            raise _validate.error(
                "LooksLinear",
                "a `base` initializer",
                "base=None",
                "Pass for example 'haar_orthogonal' or 'he_normal'.",
            )
        self.mirror = _validate.choice(
            "LooksLinear", "mirror", mirror, ("input", "output", "both")
        )
        if seed is None:
            self.seed = getattr(self.base, "seed", self.seed)

    def check(self, axes: KernelAxes) -> None:
        for axis in self._mirrored(axes):
            if axes.shape[axis] % 2:
                raise _validate.error(
                    "LooksLinear",
                    f"an even size of each mirrored axis (mirror={self.mirror!r})",
                    f"shape={axes.shape}, where axis {axis} has size "
                    f"{axes.shape[axis]}",
                    "Use an even number of channels, or `base` itself where the "
                    "layer's inputs and outputs are not doubled.",
                )

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        mirrored = self._mirrored(axes)
        half = tuple(
            size // 2 if axis in mirrored else size
            for axis, size in enumerate(axes.shape)
        )
        kernel = self._base_for(axes)(half, dtype=dtype)
        for axis in mirrored:
            kernel = ops.concatenate([kernel, -kernel], axis=axis)
        return kernel

    def _mirrored(self, axes: KernelAxes) -> tuple[int, ...]:
        roles = {
            "input": [axes.input],
            "output": [axes.output],
            "both": [axes.input, axes.output],
        }
        return tuple(role[-1] for role in roles[self.mirror] if role)

    def _base_for(self, axes: KernelAxes) -> Any:
        """The base with our seed and our axes, where it has such arguments."""
        if not isinstance(self.base, keras.initializers.Initializer):
            return self.base
        ours = {"seed": self.seed, "input_axes": axes.input, "output_axes": axes.output}
        if isinstance(self.base, AxesInitializer):
            ours["batch_axes"] = axes.batch
        else:
            # Keras's own fans are the products of these sizes, and nothing else.
            ours["input_axes"] = axes.spatial + axes.input
            ours["output_axes"] = axes.spatial + axes.output
        config = self.base.get_config()
        config.update((name, value) for name, value in ours.items() if name in config)
        return type(self.base).from_config(config)

    def get_config(self) -> dict[str, Any]:
        return {
            "base": keras.initializers.serialize(self.base),
            "mirror": self.mirror,
            **super().get_config(),
        }
