"""What a comparison shows: the reports of several schemes, side by side."""

from typing import Any

from keras_initx._report.picture import finite, legend, log_scale, name_depth
from keras_initx._report.table import Tabular, number
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._show.report import SignalReport
from keras_initx.diagnostics._show.summary import links

_LEGEND = "The standard deviation of each layer's output."
# Each line differs from the others without its colour.
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_MOST_MARKERS = 30
_GRAYS = ("0.0", "0.45", "0.2", "0.6")


class Comparison(Tabular):
    """What `compare` saw: one report for each scheme.

    It prints as a table with one column for each scheme, and shows as one in a
    notebook.

    Attributes:
        reports: dict. The signal reports, by the names of the schemes.
    """

    _notes = 0

    def __init__(self, reports: dict[str, SignalReport]) -> None:
        self.reports = reports

    def __getitem__(self, name: str) -> SignalReport:
        """The report of a scheme."""
        return self.reports[name]

    def __len__(self) -> int:
        return len(self.reports)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for strict JSON, by the names of the schemes."""
        return {name: report.to_dict() for name, report in self.reports.items()}

    def plot(self, ax: Any = None) -> Any:
        """Draws the standard deviation of the outputs by depth, one line a scheme.

        Args:
            ax: matplotlib.axes.Axes or None. Where to draw. Defaults to `None`: a new
                figure.

        Returns:
            The axes.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        rows = [row for row in self._longest() if row.std is not None]
        if ax is None:
            import matplotlib.pyplot as plt

            width = min(14, 7 + 0.2 * len(rows))
            _, ax = plt.subplots(figsize=(width, 4.5), layout="constrained")
        values: list[float | None] = []
        every = 1 + len(rows) // _MOST_MARKERS
        for place, (name, report) in enumerate(self.reports.items()):
            stds = [row.std for row in report.rows if row.std is not None]
            values += stds
            ax.plot(
                range(1, len(stds) + 1),
                finite(stds),
                linestyle=_LINES[place % len(_LINES)],
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=5,
                # In a deep network each line has its markers at other layers.
                markevery=(place % every, every),
                markerfacecolor="white" if place % 2 else _GRAYS[place % len(_GRAYS)],
                color=_GRAYS[place % len(_GRAYS)],
                label=name,
            )
        log_scale(ax, values)
        ax.set_ylabel("standard deviation of the output")
        name_depth(ax, [row.path for row in rows])
        legend(ax, "scheme")
        return ax

    def _table(self) -> tuple[list[str], list[list[str]], str]:
        reports = list(self.reports.values())
        lines = [
            [row.path, row.type, *(_std(report, place) for report in reports)]
            for place, row in enumerate(self._longest())
        ]
        if any(report.loss is not None for report in reports):
            lines.append(["loss", "", *(number(report.loss, 3) for report in reports)])
            for name, place in (("first", 0), ("last", -1)):
                norms = [_gradients(report) for report in reports]
                lines.append(
                    [
                        f"gradient of the {name} kernel",
                        "",
                        *(number(n[place], 3) if n else "-" for n in norms),
                    ]
                )
        for place in range(max(len(report.verdicts) for report in reports)):
            titles = [
                report.verdicts[place].title if place < len(report.verdicts) else ""
                for report in reports
            ]
            lines.append(["verdict" if place == 0 else "", "", *titles])
        told = [
            (name, verdict)
            for name, report in self.reports.items()
            for verdict in report.verdicts
        ]
        words = [f"{name}: {verdict}" for name, verdict in told]
        words += links(verdict for _, verdict in told)
        heads = ["layer", "type", *self.reports]
        return heads, lines, "\n".join([_LEGEND, "", *words])

    def _longest(self) -> list[LayerRow]:
        """The rows of the report that has most; they give the layers' names."""
        return max((report.rows for report in self.reports.values()), key=len)


def _std(report: SignalReport, place: int) -> str:
    return number(report.rows[place].std, 3) if place < len(report.rows) else ""


def _gradients(report: SignalReport) -> list[float]:
    """The gradients of the kernels, in the order of execution."""
    return [row.gradient for row in report.rows if row.gradient is not None]
