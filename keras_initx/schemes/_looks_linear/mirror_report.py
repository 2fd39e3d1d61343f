"""How each kernel of a model was mirrored."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_initx._report.row_report import RowReport
from keras_initx._report.table import number

_COLUMNS = ("layer", "mirror", "period", "groups", "note")


@dataclasses.dataclass
class MirrorRow:
    """One layer with a kernel.

    Attributes:
        path: str. The path of the layer.
        mirror: str. `"input"`, `"output"`, `"both"` or `"none"`; `"copied"` for a
            depthwise kernel that is equal in both halves.
        period: int or None. Each run of so many inputs is mirrored in halves; None if
            the inputs are not mirrored.
        groups: int or None. In so many runs the outputs are mirrored; None if they are
            not.
        note: str. What else was done, or why the layer was left alone.
    """

    path: str
    mirror: str = "none"
    period: int | None = None
    groups: int | None = None
    note: str = ""


class MirrorReport(RowReport[MirrorRow]):
    """One row for each layer with a kernel, in the order in which they run.

    It prints as a table, and shows as one in a notebook.

    Attributes:
        rows: list of rows, each with the attributes `path`, `mirror`, `period`,
            `groups` and `note`.
        deviation: float. How far the model is from a linear function on random inputs,
            relative to its outputs: rounding errors.
        seed: int. The seed that draws the same weights again.
    """

    def __init__(self, rows: list[MirrorRow], deviation: float, seed: int) -> None:
        super().__init__(rows)
        self.deviation = deviation
        self.seed = seed

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for example for JSON."""
        return {
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "deviation": self.deviation,
            "seed": self.seed,
        }

    def _table(self) -> tuple[Sequence[str], list[Sequence[str]], str]:
        rows: list[Sequence[str]] = [
            (row.path, row.mirror, number(row.period), number(row.groups), row.note)
            for row in self.rows
        ]
        summary = (
            f"Linear up to {self.deviation:.1e} of the spread of the outputs, with "
            f"seed={self.seed}."
        )
        return _COLUMNS, rows, summary
