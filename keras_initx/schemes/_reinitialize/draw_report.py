"""What became of each variable of a model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_initx._report.row_report import RowReport

_COLUMNS = ("variable", "shape", "drawn by", "initializer", "note")


@dataclasses.dataclass(frozen=True)
class DrawRow:
    """One variable.

    Attributes:
        path: str. The path of the variable.
        shape: tuple of int.
        source: str. What drew it: `"layer"`, as in a new model; `"rule"`; `"preset"`.
            Or `"nothing"`: it was left as it was.
        initializer: str. The class that drew it; empty if nothing did.
        note: str. The rule, or why the variable was left alone.
    """

    path: str
    shape: tuple[int, ...]
    source: str
    initializer: str = ""
    note: str = ""


class DrawReport(RowReport[DrawRow]):
    """One row for each variable, in the order of the layers.

    It prints as a table, and shows as one in a notebook.

    Attributes:
        rows: list of rows, each with the attributes `path`, `shape`, `source`,
            `initializer` and `note`.
        seed: int. The seed that draws the same weights again.
    """

    _notes = 3

    def __init__(self, rows: list[DrawRow], seed: int) -> None:
        super().__init__(rows)
        self.seed = seed

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for example for JSON."""
        return {
            "rows": [
                {**dataclasses.asdict(row), "shape": list(row.shape)}
                for row in self.rows
            ],
            "seed": self.seed,
        }

    def _table(self) -> tuple[Sequence[str], list[Sequence[str]], str]:
        drawn = sum(row.source != "nothing" for row in self.rows)
        summary = f"{drawn} of {len(self.rows)} variables drawn, with seed={self.seed}."
        rows: list[Sequence[str]] = [
            (row.path, str(row.shape), row.source, row.initializer, row.note)
            for row in self.rows
        ]
        return _COLUMNS, rows, summary
