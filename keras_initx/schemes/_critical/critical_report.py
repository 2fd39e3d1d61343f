"""What `critical` did to each layer."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_initx._report.row_report import RowReport
from keras_initx._report.table import number

_COLUMNS = ("layer", "activation", "q", "sigma_w", "sigma_b", "note")


@dataclasses.dataclass
class CriticalRow:
    """One layer.

    Attributes:
        path: str. The layer's path in the model.
        activation: str. What is applied to its pre-activation; `"linear"` for nothing.
        q: float or None. The variance that its pre-activation gets. None if it was left
            alone.
        sigma_w: float or None. The standard deviation of its kernel, times the square
            root of the fan-in. With a batch, that after the measurement.
        sigma_b: float or None. The standard deviation from which its bias is drawn.
        note: str. Why it was left alone, or a remark.
    """

    path: str
    activation: str
    q: float | None = None
    sigma_w: float | None = None
    sigma_b: float | None = None
    note: str = ""


class CriticalReport(RowReport[CriticalRow]):
    """What `critical` did: one row for each layer with a kernel, in their order.

    It prints as a table, and shows as one in a notebook.

    Attributes:
        rows: list of rows, each with the attributes `path`, `activation`, `q`,
            `sigma_w`, `sigma_b` and `note`.
        is_measured: bool. Whether the variances were measured on a batch.
    """

    def __init__(self, rows: list[CriticalRow], is_measured: bool) -> None:
        super().__init__(rows)
        self.is_measured = is_measured

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for example for JSON."""
        return {
            "is_measured": self.is_measured,
            "layers": [dataclasses.asdict(row) for row in self.rows],
        }

    def _table(self) -> tuple[Sequence[str], list[Sequence[str]], str]:
        return _COLUMNS, [_cells(row) for row in self.rows], self._summary()

    def _summary(self) -> str:
        count = sum(row.q is not None for row in self.rows)
        how = "as measured on the batch" if self.is_measured else "by the theory"
        return (
            f"{count} of {len(self.rows)} layers are set: pre-activations of variance "
            f"q, {how}."
        )


def _cells(row: CriticalRow) -> tuple[str, ...]:
    numbers = (row.q, row.sigma_w, row.sigma_b)
    return (row.path, row.activation, *map(number, numbers), row.note)
