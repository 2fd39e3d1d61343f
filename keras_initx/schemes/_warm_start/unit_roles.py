"""What the axes of a layer's variables number: units that enter, or that leave."""

import dataclasses
from collections.abc import Callable

import keras
from keras import layers

from keras_initx._keras import embeddings_variable, kernel_variable
from keras_initx._model.convolutions import DEPTHWISE, PLAIN, SEPARABLE, TRANSPOSED
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx.schemes._warm_start.unit_spaces import Spaces, Units

# The units of each axis; None for one that numbers none, such as the taps of a kernel.
Axes = tuple[Units | None, ...]


@dataclasses.dataclass
class Roles:
    """The axes of one variable.

    Attributes:
        axes: tuple. See above.
        inputs: tuple of int. The axes along which an output is a sum: where a unit has
            copies, the weights of the old one are shared among them.
        is_query: bool. Whether its products with other units that get copies are
            summed: the queries of attention.
    """

    axes: Axes
    inputs: tuple[int, ...] = ()
    is_query: bool = False


@dataclasses.dataclass
class LayerUnits:
    """One layer: the units that enter and leave it, and the axes of its variables."""

    inputs: Units | None
    outputs: Units
    roles: list[tuple[keras.Variable, Roles]]


def layer_units(
    layer: layers.Layer, spaces: Spaces, inputs: Callable[[int | None], Units | None]
) -> LayerUnits | None:
    """The units of a layer; None if its variables are not understood.

    Args:
        layer: keras.layers.Layer.
        spaces: Spaces. It gets those that the layer makes.
        inputs: A function that returns the units that enter, so many of them; None if
            nobody knows how they stand.
    """
    for types, describe in _DESCRIPTIONS.items():
        if isinstance(layer, types):
            return describe(layer, spaces, inputs)
    if type(layer).__name__ in _FACTORS:
        return _unit_by_unit(layer, spaces, inputs)
    if any(part in type(layer).__name__.lower() for part in _TABLES):
        return _table(layer, inputs)
    return None


# A size of None is any.
_Inputs = Callable[[int | None], Units | None]
# Layers of our own and of networks in `keras.applications`.
_FACTORS = {"Scale", "Shift", "LayerScale"}
# Layers that add a table, or put a token before the others, by their names.
_TABLES = ("position", "token")


def _entering(spaces: Spaces, inputs: _Inputs, size: int) -> Units:
    """The units that enter, or ones of their own that cannot change."""
    return inputs(size) or spaces.add(size, "the units before it are not known")


def _kernel_and_bias(
    layer: layers.Layer, spaces: Spaces, inputs: _Inputs
) -> LayerUnits | None:
    """A layer whose kernel has one axis of inputs and one of outputs."""
    described = layer_kernel(layer)
    if described is None or described.others:
        return None
    axes, kernel = described.axes, described.kernel
    if len(axes.input) != 1 or len(axes.output) != 1 or axes.batch or axes.groups > 1:
        return None
    entering = _entering(spaces, inputs, axes.count(axes.input))
    leaving = _made(spaces, axes.count(axes.output), kernel)
    found: list[Units | None] = [None] * kernel.ndim
    found[axes.input[0]], found[axes.output[0]] = entering, leaving
    roles = [(kernel, Roles(tuple(found), axes.input))]
    if described.bias is not None:
        if described.bias.ndim != 1:
            return None
        roles.append((described.bias, Roles((leaving,))))
    return LayerUnits(entering, leaving, roles)


def _made(spaces: Spaces, size: int, kernel: keras.Variable) -> Units:
    """Units that a kernel makes."""
    units = spaces.add(size)
    spaces.of(units)[0].makers.add(id(kernel))
    return units


def _depthwise(
    layer: layers.Layer, spaces: Spaces, inputs: _Inputs
) -> LayerUnits | None:
    kernel = kernel_variable(layer)
    if kernel is None or kernel.shape[-1] != 1:
        return None
    units = _entering(spaces, inputs, kernel.shape[-2])
    none = (None,) * (kernel.ndim - 2)
    roles = [(kernel, Roles((*none, units, None)))]
    if isinstance(layer.bias, keras.Variable):
        roles.append((layer.bias, Roles((units,))))
    return LayerUnits(units, units, roles)


def _separable(
    layer: layers.Layer, spaces: Spaces, inputs: _Inputs
) -> LayerUnits | None:
    first, second = layer.depthwise_kernel, layer.pointwise_kernel
    if first.shape[-1] != 1:
        return None
    entering = _entering(spaces, inputs, first.shape[-2])
    leaving = _made(spaces, second.shape[-1], second)
    none = (None,) * (first.ndim - 2)
    roles = [
        (first, Roles((*none, entering, None))),
        (second, Roles((*none, entering, leaving), (second.ndim - 2,))),
    ]
    if isinstance(layer.bias, keras.Variable):
        roles.append((layer.bias, Roles((leaving,))))
    return LayerUnits(entering, leaving, roles)


def _unit_by_unit(
    layer: layers.Layer, spaces: Spaces, inputs: _Inputs
) -> LayerUnits | None:
    """A layer with one weight for each unit, along the last or the only long axis."""
    sizes = {max(v.shape, default=1) for v in layer.weights} - {1}
    if len(sizes) > 1:
        return None
    units = inputs(max(sizes, default=None))
    if units is None:
        return None
    roles = []
    for variable in layer.weights:
        axes = tuple(units if size in sizes else None for size in variable.shape)
        if sum(axis is not None for axis in axes) > 1:
            return None
        roles.append((variable, Roles(axes)))
    return LayerUnits(units, units, roles)


def _normalization_over_units(
    layer: layers.Layer, spaces: Spaces, inputs: _Inputs
) -> LayerUnits | None:
    found = _unit_by_unit(layer, spaces, inputs)
    if found is not None:
        for space in spaces.of(found.outputs):
            space.is_normalized = True
    return found


def _table(layer: layers.Layer, inputs: _Inputs) -> LayerUnits | None:
    """A layer that adds a table to what it gets, or appends it."""
    units = inputs(layer.weights[0].shape[-1] if layer.weights else None)
    if units is None or any(v.ndim < 2 for v in layer.weights):
        return None
    if len({v.shape[-1] for v in layer.weights}) > 1:
        return None
    roles = [(v, Roles((*(None,) * (v.ndim - 1), units))) for v in layer.weights]
    return LayerUnits(units, units, roles)


def _embedding(layer: layers.Layer, spaces: Spaces, inputs: _Inputs) -> LayerUnits:
    table = embeddings_variable(layer)
    units = spaces.add(table.shape[-1])
    return LayerUnits(None, units, [(table, Roles((None, units)))])


def _recurrent(
    layer: layers.Layer, spaces: Spaces, inputs: _Inputs
) -> LayerUnits | None:
    cell = layer.cell
    gates = next((n for types, n in _GATES.items() if isinstance(cell, types)), 0)
    if not gates or type(cell).__module__.split(".")[0] != "keras":
        return None
    entering = _entering(spaces, inputs, cell.kernel.shape[0])
    # The state feeds its own kernel, so it is not made by one layer for the outside.
    units = spaces.add(cell.units)
    side_by_side = units * gates
    roles = [
        (cell.kernel, Roles((entering, side_by_side), (0,))),
        (cell.recurrent_kernel, Roles((units, side_by_side), (0,))),
    ]
    if cell.bias is not None:
        none = (None,) * (cell.bias.ndim - 1)
        roles.append((cell.bias, Roles((*none, side_by_side))))
    return LayerUnits(entering, units, roles)


_GATES = {
    layers.LSTMCell: 4,
    layers.GRUCell: 3,
    layers.SimpleRNNCell: 1,
}
_DESCRIPTIONS: dict[
    tuple[type, ...], Callable[[layers.Layer, Spaces, _Inputs], LayerUnits | None]
] = {
    DEPTHWISE: _depthwise,
    SEPARABLE: _separable,
    (layers.Dense, layers.EinsumDense, *PLAIN, *TRANSPOSED): _kernel_and_bias,
    (layers.BatchNormalization, layers.PReLU): _unit_by_unit,
    (layers.LayerNormalization, layers.RMSNormalization): _normalization_over_units,
    (layers.Embedding,): _embedding,
    (layers.RNN,): _recurrent,
}
