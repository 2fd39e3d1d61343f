"""Square kernels of a given spectral radius."""

from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx._kernel.arrays import in_reach, namespace
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.spectral_radius import spectral_radius
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.based_initializer import BasedInitializer


@register("initializers")
@shared_arguments
class SpectralRadius(BasedInitializer):
    """Scales a square recurrent kernel to a spectral radius.

        K = radius K_base / rho(K_base)

    with rho(K), the largest absolute value of an eigenvalue of K. It says how the state
    of a linear network grows with each step, on the long run. Reservoirs of echo state
    networks take a radius a little below 1; Sutskever et al. take 1.1 with 15
    connections for each unit, which is the default here.

    rho is computed from |K^m|^(1 / m) with m = 2^30, by 30 squarings. That is right for
    complex eigenvalues too, for which power iteration does not converge, and it needs
    products of matrices only.

    Examples:
    >>> import numpy as np
    >>> kernel = keras_initx.initializers.SpectralRadius(0.9, seed=0)((64, 64))
    >>> eigenvalues = np.linalg.eigvals(keras.ops.convert_to_numpy(kernel))
    >>> bool(abs(np.abs(eigenvalues).max() - 0.9) < 1e-4)
    True
    >>> layer = keras.layers.SimpleRNN(
    ...     64, recurrent_initializer=keras_initx.initializers.SpectralRadius(1.1)
    ... )

    Args:
        radius: float. The spectral radius. Positive. Defaults to `1.1`.
        base: ... Defaults to `"sparse"`: 15 weights from N(0, 1) for each unit.
        seed: ... None keeps the seed of `base`.
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `radius` is not positive, `base` is None, the kernel is not
            square, or all eigenvalues of what `base` draws are zero.

    Reference:
        Jaeger 2001, "The 'echo state' approach to analysing and training recurrent
        neural networks". Sutskever, Martens, Dahl and Hinton 2013, "On the importance
        of initialization and momentum in deep learning", section 4.1,
        https://proceedings.mlr.press/v28/sutskever13.html.
    """

    def __init__(
        self,
        radius: float = 1.1,
        base: Any = "sparse",
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(
            base,
            seed=seed,
            input_axes=input_axes,
            output_axes=output_axes,
            batch_axes=batch_axes,
        )
        self.radius = _validate.positive("SpectralRadius", "radius", radius)

    def check(self, axes: KernelAxes) -> None:
        if axes.fan_in != axes.count(axes.output):
            raise _validate.error(
                "SpectralRadius",
                "a square kernel, with as many inputs as outputs",
                f"shape={axes.shape} with {axes.fan_in} inputs and "
                f"{axes.count(axes.output)} outputs",
                "Pass it as `recurrent_initializer` of a `SimpleRNN`. For the gates of "
                "an LSTM or GRU wrap it: `Blockwise(SpectralRadius())`.",
            )

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        kernel = in_reach(self.draw_base(axes, dtype))
        xp, batch = namespace(kernel), axes.count(axes.batch)
        order = axes.batch + axes.spatial + axes.input + axes.output
        matrices = xp.reshape(
            xp.transpose(kernel, order), (batch, axes.fan_in, axes.fan_in)
        )
        radius = spectral_radius(matrices)
        if xp is np and not radius.all():
            raise _validate.error(
                "SpectralRadius",
                "a `base` that draws a kernel with an eigenvalue other than 0",
                f"shape={axes.shape}, base={type(self.base).__name__}",
                "Take more connections, or another `base`.",
            )
        # What is traced has no values to look at: such a kernel stays as it is there.
        radius = xp.where(radius > 0, radius, xp.full_like(radius, self.radius))
        return axes.kernel(self.radius * matrices / radius[:, None, None], order)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["groups"]
        return {"radius": self.radius, **config}
