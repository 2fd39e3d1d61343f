"""What LSUV did to each layer."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_initx._report.row_report import RowReport
from keras_initx._report.table import number

_COLUMNS = (
    "layer",
    "type",
    "calls",
    "std before",
    "std after",
    "mean",
    "factor",
    "note",
)


@dataclasses.dataclass
class LayerRow:
    """One layer.

    Attributes:
        path: str. The layer's path in the model.
        type: str. The name of its class.
        calls: int. How often the layer ran in the pass.
        std_before: float or None. The standard deviation of its pre-activation before
            its own correction: with the new kernel if one was drawn, and with inputs
            from corrected layers. With `per_channel` the root of the channels' mean
            variance.
        std_after: float or None. The same, after the correction.
        mean: float or None. The mean of the pre-activation after the correction.
        factor: float or None. The factor of the kernel. With `per_channel` the
            geometric mean of the factors.
        is_scaled: bool. Whether the layer has the wanted standard deviation now.
        note: str. Why it has not, or a remark.
    """

    path: str
    type: str
    calls: int = 0
    std_before: float | None = None
    std_after: float | None = None
    mean: float | None = None
    factor: float | None = None
    is_scaled: bool = False
    note: str = ""


class LSUVReport(RowReport[LayerRow]):
    """What `lsuv` did: one row for each layer with weights, in order of execution.

    It prints as a table, and shows as one in a notebook.

    Attributes:
        target_std: float. The wanted standard deviation.
        rows: list of rows, each with the attributes `path`, `type`, `calls`,
            `std_before`, `std_after`, `mean`, `factor`, `is_scaled` and `note`.
    """

    def __init__(self, target_std: float, rows: list[LayerRow]) -> None:
        super().__init__(rows)
        self.target_std = target_std

    @property
    def scaled(self) -> list[LayerRow]:
        """The layers that have the wanted standard deviation now."""
        return [row for row in self.rows if row.is_scaled]

    @property
    def skipped(self) -> list[LayerRow]:
        """The other layers; the note of each row says why."""
        return [row for row in self.rows if not row.is_scaled]

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for example for JSON."""
        return {
            "target_std": self.target_std,
            "layers": [dataclasses.asdict(row) for row in self.rows],
        }

    def plot(self, ax: Any = None) -> Any:
        """Draws the standard deviation before and after, by depth.

        Args:
            ax: matplotlib.axes.Axes or None. Where to draw. Defaults to `None`: a new
                figure.

        Returns:
            The axes.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(8, 4), layout="constrained")
        shown = [row for row in self.rows if row.std_before is not None]
        depth = range(1, len(shown) + 1)
        ax.plot(depth, [row.std_before for row in shown], "o--", label="before")
        ax.plot(depth, [row.std_after for row in shown], "s-", label="after")
        ax.axhline(self.target_std, color="gray", linewidth=1, label="target")
        # A dead layer has 0, which a logarithmic axis cannot show.
        ax.set_yscale("log", nonpositive="clip")
        ax.set_xlabel("layer, in order of execution")
        ax.set_ylabel("standard deviation of the pre-activation")
        ax.legend()
        return ax

    def _table(self) -> tuple[Sequence[str], list[Sequence[str]], str]:
        return _COLUMNS, [_cells(row) for row in self.rows], self._summary()

    def _summary(self) -> str:
        return (
            f"{len(self.scaled)} of {len(self.rows)} layers have a standard deviation "
            f"of {self.target_std:g}."
        )


def _cells(row: LayerRow) -> tuple[str, ...]:
    numbers = (row.std_before, row.std_after, row.mean, row.factor)
    return (row.path, row.type, str(row.calls), *map(number, numbers), row.note)
