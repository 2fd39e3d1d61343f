"""What a scheme did to the residual branches of a model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_initx._report.row_report import RowReport
from keras_initx._report.table import number

_COLUMNS = ("addition", "layers", "depth", "projection", "factor", "note")


@dataclasses.dataclass
class BranchRow:
    """One residual branch.

    Attributes:
        place: str. The path of the layer in which the addition stands.
        layers: list of str. The paths of the layers with kernels in the branch, in the
            order of execution.
        depth: int. The power of a common scale of its kernels with which the branch
            grows: the number of kernels in a chain, 2 in attention.
        is_projection: bool. Whether the shortcut has a kernel.
        factor: float or None. The factor that the scheme gave to kernels of the branch;
            None if it gave none.
        note: str. What else there is to say.
    """

    place: str
    layers: list[str]
    depth: int
    is_projection: bool
    factor: float | None = None
    note: str = ""


class BranchReport(RowReport[BranchRow]):
    """One row for each residual branch, in the order of their additions.

    It prints as a table, and shows as one in a notebook.

    Attributes:
        branches: list of rows, each with the attributes `place`, `layers`, `depth`,
            `is_projection`, `factor` and `note`.
        notes: list of str. What concerns the whole model.
    """

    def __init__(self, branches: list[BranchRow], notes: list[str]) -> None:
        super().__init__(branches)
        self.notes = notes

    @property
    def branches(self) -> list[BranchRow]:
        """The rows."""
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for example for JSON."""
        return {
            "branches": [dataclasses.asdict(row) for row in self.branches],
            "notes": list(self.notes),
        }

    def _table(self) -> tuple[Sequence[str], list[Sequence[str]], str]:
        count = len(self.branches)
        summary = f"{count} residual {'branch' if count == 1 else 'branches'}."
        rows: list[Sequence[str]] = [_cells(row) for row in self.branches]
        return _COLUMNS, rows, "\n".join([summary, *self.notes])


def _cells(row: BranchRow) -> tuple[str, ...]:
    return (
        row.place,
        _shortened(row.layers),
        str(row.depth),
        "yes" if row.is_projection else "no",
        number(row.factor),
        row.note,
    )


def _shortened(paths: list[str]) -> str:
    """The last parts of the paths that tell them apart."""
    names = [path.split("/") for path in paths]
    parts = 1
    while len({tuple(n[-parts:]) for n in names}) < len({*paths}):
        parts += 1
    return ", ".join("/".join(n[-parts:]) for n in names)
