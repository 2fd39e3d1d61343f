"""The picture of a report: the signal by depth, and the gradient."""

import math
from typing import Any

from keras_initx._report.picture import finite, legend, log_scale, name_depth
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow


def plot(
    inputs: list[LayerRow],
    rows: list[LayerRow],
    verdicts: list[Verdict],
    ax: Any = None,
) -> Any:
    """Draws a report; see `SignalReport.plot`."""
    rows = [row for row in rows if row.std is not None]
    has_gradient = any(row.output_gradient is not None for row in rows)
    if ax is not None:
        _draw_signal(ax, inputs, rows, verdicts)
        name_depth(ax, [row.path for row in rows], has_input=bool(inputs))
        return ax
    import matplotlib.pyplot as plt

    parts = 2 if has_gradient else 1
    width = min(14, 7 + 0.2 * len(rows))
    _, panels = plt.subplots(
        parts,
        figsize=(width, 1.5 + 2.8 * parts),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    axes = list(panels[:, 0])
    _draw_signal(axes[0], inputs, rows, verdicts)
    if has_gradient:
        _draw_gradient(axes[1], rows, verdicts)
    name_depth(axes[-1], [row.path for row in rows], has_input=bool(inputs))
    return axes if has_gradient else axes[0]


def _draw_signal(
    ax: Any, inputs: list[LayerRow], rows: list[LayerRow], verdicts: list[Verdict]
) -> None:
    before = [row.pre_activation_std for row in rows]
    after = [row.std for row in rows]
    start = [row.std for row in inputs[:1]]
    depth = range(1, len(rows) + 1)
    ax.plot(
        range(1 - len(start), len(rows) + 1),
        finite([*start, *after]),
        "-o",
        color="black",
        markersize=4,
        label="output (0: the input)" if start else "output",
    )
    other = [
        math.nan if z == std else z
        for z, std in zip(finite(before), finite(after), strict=True)
    ]
    if not all(map(math.isnan, other)):
        ax.plot(
            depth,
            other,
            linestyle="none",
            marker="s",
            markersize=6,
            markerfacecolor="white",
            markeredgecolor="0.4",
            zorder=1,
            label="pre-activation",
        )
    log_scale(ax, [*start, *before, *after])
    ax.set_ylabel("standard deviation")
    _mark(ax, rows, [v for v in verdicts if not v.is_of_gradient])
    legend(ax)


def _draw_gradient(ax: Any, rows: list[LayerRow], verdicts: list[Verdict]) -> None:
    depth = range(1, len(rows) + 1)
    of_outputs = [row.output_gradient for row in rows]
    of_kernels = [row.gradient for row in rows]
    ax.plot(
        depth, finite(of_outputs), "-o", color="black", markersize=4, label="output"
    )
    if any(value is not None for value in of_kernels):
        ax.plot(
            depth,
            finite(of_kernels),
            linestyle="none",
            marker="^",
            markersize=7,
            markerfacecolor="white",
            markeredgecolor="0.3",
            label="kernel",
        )
    log_scale(ax, [*of_outputs, *of_kernels])
    ax.set_ylabel("norm of the gradient")
    _mark(ax, rows, [v for v in verdicts if v.is_of_gradient])
    legend(ax)


def _mark(ax: Any, rows: list[LayerRow], verdicts: list[Verdict]) -> None:
    """A line at each layer where something goes wrong, and the title above the axes."""
    places = {row.path: place for place, row in enumerate(rows, 1)}
    for count, verdict in enumerate(v for v in verdicts if v.layer in places):
        place = places[verdict.layer or ""]
        ax.axvline(place, color="0.4", linestyle=":", linewidth=1.5)
        ax.annotate(
            verdict.title,
            (place, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 11 * count),
            textcoords="offset points",
            ha="left" if place <= len(rows) / 2 else "right",
            fontsize="small",
        )
