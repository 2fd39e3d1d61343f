"""The rows of a report, as the verdicts look at them."""

from collections.abc import Callable, Sequence

from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen


class Findings:
    """The rows of a report, and what stands around each of them.

    Attributes:
        seen: Seen. All that was measured.
        inputs: list of LayerRow.
        rows: list of LayerRow. Those of which the output was seen; all where the model
            did not run.
        linear: list of LayerRow. Those with a kernel that sums over inputs.
        loss: float or None.
    """

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.inputs = seen.inputs
        is_seen = seen.has_signal
        self.rows = [row for row in seen.rows if row.std is not None or not is_seen]
        self.linear = [row for row in self.rows if row.fan_in is not None]
        self.loss = seen.loss
        # The first of several layers of one path.
        places = enumerate(self.rows)
        self._places = {row.path: place for place, row in reversed(list(places))}

    def place(self, path: str | None) -> int:
        """The place of a layer, from 0; that of the inputs is -1.

        A container without a row has the place of the first layer within it.
        """
        if path is None or path in self._places:
            return self._places.get(path or "", -1)
        within = (n for each, n in self._places.items() if each.startswith(f"{path}/"))
        return min(within, default=-1)

    def name(self, row: LayerRow) -> str:
        """How a text names a layer."""
        place = self.place(row.path) + 1
        return f"'{row.path}' ({row.type}, row {place} of {len(self.rows)})"

    def activation(self, row: LayerRow) -> str:
        """The activation that acts on the output of a linear layer.

        It may be its own, or that of a layer after it, with a normalization between
        them.
        """
        if row.activation:
            return row.activation
        place = self.place(row.path) + 1
        for other in self.rows[place : place + 2]:
            if other.activation or other.kernels:
                return other.activation if not other.kernels else ""
        return ""

    def normalization(self, row: LayerRow) -> LayerRow | None:
        """The normalization after a layer, which takes its scale away, if any."""
        place = self.place(row.path) + 1
        is_there = place < len(self.rows) and self.rows[place].is_normalization
        return self.rows[place] if is_there else None

    def is_normalized(self, row: LayerRow) -> bool:
        """Whether a normalization stands between a layer and the next linear one."""
        for other in self.rows[self.place(row.path) + 1 :]:
            if other.is_normalization:
                return True
            if other.fan_in is not None:
                return False
        return False

    def linear_until(self, row: LayerRow) -> list[LayerRow]:
        """The linear layers that made the signal of this one, and itself."""
        place = self.place(row.path)
        return [each for each in self.linear if self.place(each.path) <= place]

    def is_frozen(self, row: LayerRow) -> bool:
        """Whether none of the kernels trains that made the signal of this layer."""
        before = self.linear_until(row)
        kernels = [kernel for each in before for kernel in each.kernels]
        return bool(kernels) and not any(kernel.is_trainable for kernel in kernels)

    def linear_from(self, row: LayerRow) -> list[LayerRow]:
        """This layer and the linear ones that its gradient came through."""
        place = self.place(row.path)
        return [each for each in self.linear if self.place(each.path) >= place]


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
