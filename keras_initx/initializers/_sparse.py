"""Sparse kernels: each unit has the same small number of incoming weights."""

import numbers
from typing import Any

from keras_initx import _validate
from keras_initx._backend.seeds import split
from keras_initx._kernel.arrays import namespace, scatter
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.random import normal
from keras_initx._kernel.subsets import mask, positions
from keras_initx._registry import register
from keras_initx.initializers._base.arguments import shared_arguments
from keras_initx.initializers._base.axes_initializer import AxesInitializer

# Floyd's algorithm compares each new member with all others: its cost is quadratic.
_LARGE_SUBSET = 128


@register("initializers", "sparse")
@shared_arguments
class Sparse(AxesInitializer):
    """Gives each unit exactly `connections` non-zero incoming weights.

        K[i, j] ~ N(0, stddev^2)    for i in S_j,    and 0 elsewhere

    where S_j is a uniformly random set of `min(connections, fan_in)` of the `fan_in`
    incoming weights of the output unit j: its input channels and its receptive field.
    The size of a unit's input then does not depend on its fan-in, and units differ
    strongly from each other, which suits sigmoid networks. `torch.nn.init.sparse_`
    limits the outgoing weights instead, and its standard deviation is 0.01.

    Examples:
    >>> kernel = keras_initx.initializers.Sparse(connections=3, seed=0)((100, 10))
    >>> (keras.ops.convert_to_numpy(kernel) != 0).sum(axis=0).tolist()
    [3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    >>> layer = keras.layers.Dense(64, kernel_initializer="sparse")

    Args:
        connections: int or float. The number of non-zero incoming weights of each unit,
            at least 1. A float between 0 and 1 is their fraction of the fan-in, which
            is rounded and gives at least one weight. Defaults to `15`.
        stddev: float. The standard deviation of the non-zero weights. Positive.
            Defaults to `1.0`.
        seed: ...
        input_axes: ...
        output_axes: ...
        batch_axes: ...

    Raises:
        ValueError: If `connections` or `stddev` is out of range.

    Reference:
        Martens 2010, "Deep learning via Hessian-free optimization", section 5.
        Sutskever, Martens, Dahl and Hinton 2013, "On the importance of initialization
        and momentum in deep learning", section 3.1.
    """

    def __init__(
        self,
        connections: int | float = 15,
        stddev: float = 1.0,
        seed: Any = None,
        input_axes: list[int] | None = None,
        output_axes: list[int] | None = None,
        batch_axes: list[int] | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes, batch_axes)
        self.connections = _connections(connections)
        self.stddev = _validate.positive("Sparse", "stddev", stddev)

    def draw(self, axes: KernelAxes, dtype: str) -> Any:
        fan_in, units = axes.fan_in, axes.count(axes.batch + axes.output)
        connections = self._count(fan_in)
        where_seed, value_seed = split(self.seed, 2)
        if connections == fan_in:
            kernel = self.stddev * normal((fan_in, units), dtype, value_seed)
        elif connections > _LARGE_SUBSET:
            is_connected = mask(connections, fan_in, units, where_seed)
            values = self.stddev * normal((fan_in, units), dtype, value_seed)
            kernel = is_connected * values
        else:
            rows = positions(connections, fan_in, units, where_seed)
            xp = namespace(rows)
            columns = xp.broadcast_to(xp.arange(units, dtype="int32"), rows.shape)
            values = self.stddev * normal((connections, units), dtype, value_seed)
            kernel = scatter(rows, columns, values, (fan_in, units))
        return axes.kernel(kernel, axes.spatial + axes.input + axes.batch + axes.output)

    def _count(self, fan_in: int) -> int:
        """How many of the `fan_in` weights of a unit are not zero."""
        if isinstance(self.connections, int):
            return min(self.connections, fan_in)
        return max(1, round(self.connections * fan_in))

    def get_config(self) -> dict[str, Any]:
        return {
            "connections": self.connections,
            "stddev": self.stddev,
            **super().get_config(),
        }


def _connections(value: Any) -> int | float:
    """A number of weights, or their fraction, as a plain Python number."""
    if _validate.is_integer(value) and value >= 1:
        return int(value)
    if isinstance(value, numbers.Real) and 0 < float(value) < 1:
        return float(value)
    raise _validate.error(
        "Sparse",
        "`connections` to be an integer of at least 1, or a float between 0 and 1",
        f"connections={value!r}",
        "Pass the number of incoming weights of each unit, for example 15, or their "
        "fraction of the fan-in, for example 0.1.",
    )
