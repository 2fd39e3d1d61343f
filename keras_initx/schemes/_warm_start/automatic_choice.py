"""Which rule resizes a variable, where nobody says it."""

import dataclasses
from collections.abc import Callable

import keras

from keras_initx._keras import kernel_variable
from keras_initx._model.convolutions import PLAIN
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx.schemes._warm_start import kinds_of_tables as tables
from keras_initx.schemes._warm_start.pairing import Pairs
from keras_initx.schemes._warm_start.stored_layers import StoredLayer
from keras_initx.schemes._warm_start.unit_copies import UnitCopies
from keras_initx.schemes._warm_start.unit_flow import UnitFlow


@dataclasses.dataclass
class Choice:
    """What becomes of one variable.

    Attributes:
        rules: list of str. The rules, in their order; none if the variable is left.
        note: str. Why it is left, or what else there is to say.
    """

    rules: list[str] = dataclasses.field(default_factory=list)
    note: str = ""


def owners_in(layers: StoredLayer) -> dict[int, keras.layers.Layer]:
    """The layer of each variable, by the identity of the variable."""
    return {
        id(each.variable): owner.layer
        for owner in layers.walk()
        for each in owner.variables.values()
        if each.variable is not None and owner.layer is not None
    }


class AutomaticChoice:
    """Chooses the rules of all variables whose shapes are not those of the source.

    Args:
        model: keras.layers.Layer.
        layers: StoredLayer. The tree of the model.
        pairs: dict. The variables of the source.
        flow: A function that returns the units of the model, or None. It is called if
            a shape differs.
    """

    def __init__(
        self,
        model: keras.layers.Layer,
        layers: StoredLayer,
        pairs: Pairs,
        flow: Callable[[], UnitFlow | None],
    ) -> None:
        self._model, self._pairs = model, pairs
        owners = owners_in(layers)
        # In the order in which the layers were made.
        weights = [v for v in model.weights if id(v) in owners]
        self._owners = {id(v): owners[id(v)] for v in weights} | owners
        self._variables = {
            id(each.variable): each.variable
            for each in layers.all_variables()
            if each.variable is not None and id(each.variable) in pairs
        }
        others = [v for n, v in self._variables.items() if self._differs(n, v)]
        self._flow = flow() if any(v.ndim == self._rank(v) for v in others) else None
        # The rule for one axis of a variable, beside that for its units.
        self._special: dict[int, tuple[int, str]] = {}
        self._vocabularies: set[tuple[int, int]] = set()
        for variable in others:
            self._look(variable)
        self.copies = None
        if self._flow is not None:
            handled = {number: axis for number, (axis, _) in self._special.items()}
            self.copies = UnitCopies(self._flow, pairs, handled)
            for variable in others:
                self._look_at_words(variable, self._flow)

    def __call__(self, variable: keras.Variable) -> Choice:
        """The choice for a variable that the source has in another shape."""
        old = self._pairs[id(variable)].shape
        if len(old) + 1 == variable.ndim:
            return self._experts(variable, old)
        if len(old) != variable.ndim:
            return Choice(note="another rank")
        special = self._special.get(id(variable))
        axes = [axis for axis, size in enumerate(variable.shape) if old[axis] != size]
        rules = []
        if special is not None:
            axes = [axis for axis in axes if axis != special[0]]
            rules = [special[1]]
        if not axes:
            return Choice(rules)
        choice = self._units(variable, old, axes)
        return Choice([*rules, *choice.rules] if choice.rules else [], choice.note)

    def goal(self, variable: keras.Variable, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape after the first of two rules: the other one resizes the units."""
        axis, _ = self._special[id(variable)]
        return (*shape[:axis], variable.shape[axis], *shape[axis + 1 :])

    def _experts(self, variable: keras.Variable, old: tuple[int, ...]) -> Choice:
        shape = tuple(variable.shape)
        rest = [shape[:axis] + shape[axis + 1 :] for axis in range(len(shape))]
        return Choice(["experts"]) if old in rest else Choice(note="another rank")

    def _units(
        self, variable: keras.Variable, old: tuple[int, ...], axes: list[int]
    ) -> Choice:
        """The choice for axes that number units."""
        sizes = [(old[axis], variable.shape[axis]) for axis in axes]
        is_wider = any(before < after for before, after in sizes)
        if self.copies is None:
            if self._is_last(variable, axes):
                return Choice(note="other class count")
            if is_wider:
                return Choice(note="what the model computes is not known")
            return Choice(["select"])
        rule = "net2net" if is_wider else "select"
        if self.copies.roles(variable) is None:
            layer = self._owners[id(variable)]
            is_table = tables.is_of_positions(layer, variable) or isinstance(
                layer, keras.layers.Embedding
            )
            if is_table and {*sizes} <= self.copies.sizes():
                return Choice([rule])
        reason = self.copies.refusal(variable, axes)
        return Choice(note=reason) if reason else Choice([rule])

    def _look(self, variable: keras.Variable) -> None:
        """Notes the axis of words, positions or input channels."""
        old, layer = self._pairs[id(variable)].shape, self._owners[id(variable)]
        if len(old) != variable.ndim:
            return
        axes = [axis for axis, size in enumerate(variable.shape) if old[axis] != size]
        if tables.is_of_positions(layer, variable):
            axes = [axis for axis in axes if axis != variable.ndim - 1]
            if len(axes) == 1:
                sizes = old[axes[0]], variable.shape[axes[0]]
                rule = "grid" if tables.has_grid(self._model, *sizes) else "positions"
                self._special[id(variable)] = axes[0], rule
        elif tables.is_of_words(layer, variable):
            axis = tables.axis_of_words(variable)
            if axis in axes:
                self._special[id(variable)] = axis, "vocabulary"
                self._vocabularies.add((old[axis], variable.shape[axis]))
        elif self._is_first_convolution(layer, variable):
            axis = variable.ndim - 2
            if axis in axes:
                self._special[id(variable)] = axis, "channels"

    def _look_at_words(self, variable: keras.Variable, flow: UnitFlow) -> None:
        """Notes the output that has one unit for each word."""
        roles, old = flow.roles.get(id(variable)), self._pairs[id(variable)].shape
        if roles is None or len(old) != variable.ndim or id(variable) in self._special:
            return
        axis = variable.ndim - 1
        spaces = flow.spaces.of(roles.axes[axis] or ())
        sizes = (old[axis], variable.shape[axis])
        if sizes in self._vocabularies and all(space.is_head for space in spaces):
            self._special[id(variable)] = axis, "vocabulary"

    def _is_first_convolution(
        self, layer: keras.layers.Layer, variable: keras.Variable
    ) -> bool:
        """Whether its inputs are the channels of images."""
        is_kernel = variable is kernel_variable(layer)
        if not (isinstance(layer, PLAIN) and is_kernel and layer.groups == 1):
            return False
        if self._flow is not None and id(variable) in self._flow.roles:
            units = self._flow.roles[id(variable)].axes[variable.ndim - 2] or ()
            return any(space.is_input for space in self._flow.spaces.of(units))
        found = (each for each in self._owners.values())
        first = next((each for each in found if isinstance(each, PLAIN)), None)
        return layer is first

    def _is_last(self, variable: keras.Variable, axes: list[int]) -> bool:
        """Whether these are the outputs of the last kernel of the model."""
        described = [
            found
            for each in self._owners.values()
            if (found := layer_kernel(each)) is not None
        ]
        if not described:
            return False
        last = described[-1]
        is_of_it = variable is last.kernel or variable is last.bias
        return is_of_it and variable.ndim - 1 in axes

    def _differs(self, number: int, variable: keras.Variable) -> bool:
        return self._pairs[number].shape != tuple(variable.shape)

    def _rank(self, variable: keras.Variable) -> int:
        return len(self._pairs[id(variable)].shape)
