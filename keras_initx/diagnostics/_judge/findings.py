"""What the verdicts have in common."""

import dataclasses
from collections.abc import Callable, Sequence

from keras_initx.diagnostics._measure.rows import LayerRow


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One thing that is conspicuous.

    Attributes:
        kind: str. What it is, in a word or two.
        layer: str or None. The path of the first layer where it goes wrong.
        text: str. One or two sentences: where, how much, and what to use instead.
    """

    kind: str
    layer: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.kind[0].upper()}{self.kind[1:]}: {self.text}"


_NORMALIZATIONS = (
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "UnitNormalization",
)


class Findings:
    """The rows of a report, as the verdicts look at them.

    Attributes:
        inputs: list of LayerRow.
        rows: list of LayerRow. Those of which the output was seen.
        linear: list of LayerRow. Those with a kernel that sums over inputs.
        loss: float or None.
    """

    def __init__(
        self, inputs: list[LayerRow], rows: list[LayerRow], loss: float | None
    ) -> None:
        self.inputs = inputs
        self.rows = [row for row in rows if row.std is not None]
        self.linear = [row for row in self.rows if row.fan_in is not None]
        self.loss = loss
        # The first of several layers of one path.
        places = enumerate(self.rows)
        self._places = {row.path: place for place, row in reversed(list(places))}

    def place(self, path: str | None) -> int:
        """The place of a layer, from 0; that of the inputs is -1."""
        return -1 if path is None else self._places.get(path, -1)

    def name(self, row: LayerRow) -> str:
        """How a text names a layer."""
        place = self.place(row.path) + 1
        return f"'{row.path}' ({row.type}, row {place} of {len(self.rows)})"

    def activation(self, row: LayerRow) -> str:
        """The activation that acts on the output of a linear layer.

        It may be its own, or a layer's behind it, with a normalization between them.
        """
        if row.activation:
            return row.activation
        place = self.place(row.path) + 1
        for other in self.rows[place : place + 2]:
            if other.activation or other.kernels:
                return other.activation if not other.kernels else ""
        return ""

    def normalization(self, row: LayerRow) -> LayerRow | None:
        """The normalization behind a layer, which takes its scale away, if any."""
        place = self.place(row.path) + 1
        is_there = place < len(self.rows) and self.rows[place].type in _NORMALIZATIONS
        return self.rows[place] if is_there else None

    def remedy(self, row: LayerRow) -> str:
        """What to use for a scale that begins to be wrong at this layer."""
        return remedy(self.activation(row))

    def remedy_of_large(self, row: LayerRow) -> str:
        """The same for a scale that grows."""
        types = {other.type for other in self.rows}
        if "Add" in types:
            return (
                "Blocks that add their input double the variance: start the last "
                f"kernel of each with zeros, or normalize. {self.remedy(row)}"
            )
        if "BatchNormalization" in types:
            # The scale of a kernel before one changes nothing.
            return (
                "Each `BatchNormalization` makes the gradient grow on its way back, "
                "whatever the kernels are. Use blocks that add their input, or fewer "
                "layers."
            )
        return self.remedy(row)


def first_of_tail(
    rows: Sequence[LayerRow], is_wrong: Callable[[LayerRow], bool]
) -> LayerRow | None:
    """The first of the rows from which on all are wrong; None if the last is not."""
    first = None
    for row in reversed(rows):
        if not is_wrong(row):
            break
        first = row
    return first


def remedy(activation: str) -> str:
    """What to use for a signal that does not keep its scale."""
    lsuv = (
        "`keras_initx.lsuv(model, x)`, which sets the scale of each kernel by the data."
    )
    if activation in ("sigmoid", "hard_sigmoid", "softplus"):
        # Their mean is the larger part of their output, whatever the scale.
        return f"Use 'tanh' or 'relu' instead of {activation!r}, or {lsuv}"
    name = _INITIALIZERS.get(activation, "haar_orthogonal")
    of = f" for {activation!r}" if activation else ""
    return f'Use `kernel_initializer="{name}"`{of}, or {lsuv}'


_INITIALIZERS = {
    **dict.fromkeys(
        ("relu", "relu6", "leaky_relu", "prelu", "gelu", "silu"), "he_normal"
    ),
    "selu": "lecun_normal",
}
