"""Measures how time grows with the entries of kernels and with the layers of a model.

    python benchmarks/scaling.py --backend torch

writes `results/scaling-torch.json` beside this file, and draws `results/scaling.svg`
from all backends whose results lie there: the time by the entries of one kernel, from a
thousand to a hundred million, and by the layers of a model of dense layers, from 10 to
3000. Dotted lines have the slope of a time that is proportional to the work. `--redraw`
draws only.
"""

import json
import math
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import (
    BACKENDS,
    batch_of,
    command_line,
    finish,
    fresh,
    plain,
    timed,
    versions,
)

ENTRIES = (3, 4, 5, 6, 7, 8)
DEPTHS = (10, 30, 100, 300, 1000, 3000)
WIDTH, BATCH = 32, 32
# A tall kernel has as many columns at each size; of a square one both sides grow.
COLUMNS = 32


# In a process of its own: each function returns one JSON value.


def initializers() -> dict[str, Any]:
    """What draws a kernel, by its label."""
    import keras

    import keras_initx

    return {
        "Keras's glorot_uniform": keras.initializers.GlorotUniform(seed=1),
        "fan_scaled": keras_initx.FanScaled(seed=1),
        "sparse": keras_initx.Sparse(seed=1),
        f"haar_orthogonal, {COLUMNS} columns": keras_initx.HaarOrthogonal(seed=1),
        "haar_orthogonal, square": keras_initx.HaarOrthogonal(seed=1),
    }


def measure_entries(exponents: Sequence[int], quick: bool) -> dict[str, Any]:
    """The seconds of each initializer for kernels of these sizes, in turn."""
    return {
        str(10**exponent): draws(exponent, 1 if quick else rounds(exponent))
        for exponent in exponents
    }


def rounds(exponent: int) -> int:
    """Small kernels are drawn more often."""
    return max(1, min(25, round(3 * 10 ** (7 - exponent))))


def draws(exponent: int, count: int) -> dict[str, list[float]]:
    """The seconds of each initializer for one size."""
    side = round(10 ** (exponent / 2))
    shapes = dict.fromkeys(initializers(), (side, side))
    tall = (round(10**exponent / COLUMNS), COLUMNS)
    shapes[f"haar_orthogonal, {COLUMNS} columns"] = tall
    functions = {
        label: lambda draw=draw, shape=shapes[label]: finish(draw(shape))
        for label, draw in initializers().items()
    }
    return in_turn(functions, count)


def measure_layers(depth: int, count: int) -> dict[str, Any]:
    """The seconds of each tool for a model with so many layers, in turn."""
    in_turn(tools(2), 1)
    return in_turn(tools(depth), count)


def tools(depth: int) -> dict[str, Callable[[], Any]]:
    """What is called on a model of dense layers, by its label."""
    import keras_initx

    model, x = dense_layers(depth), batch_of((BATCH, WIDTH))
    return {
        "building the model": lambda: dense_layers(depth),
        "one pass": lambda: plain(model, x),
        "lsuv": lambda: keras_initx.lsuv(model, x, verbose=0),
        "signal_report": lambda: keras_initx.signal_report(model, x),
        "reinitialize": lambda: keras_initx.reinitialize(model),
    }


def dense_layers(depth: int) -> Any:
    """A functional model of `depth` dense layers."""
    import keras

    inputs = x = keras.Input((WIDTH,))
    for _ in range(depth):
        x = keras.layers.Dense(WIDTH, "tanh")(x)
    # Keras follows the layers by a function that calls itself.
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(usual + 10 * depth)
    try:
        return keras.Model(inputs, x)
    finally:
        sys.setrecursionlimit(usual)


def measure_quickly() -> dict[str, Any]:
    """The smallest of each, in one process."""
    return {
        "entries": measure_entries(ENTRIES[:1], quick=True),
        "layers": {str(DEPTHS[0]): in_turn(tools(DEPTHS[0]), 1)},
    }


def in_turn(
    functions: dict[str, Callable[[], Any]], count: int
) -> dict[str, list[float]]:
    """The seconds of each. The first call counts only if it takes over a second."""
    times: dict[str, list[float]] = {what: [] for what in functions}
    for round_ in range(count + 1):
        for what, function in functions.items():
            if len(times[what]) < count:
                taken = timed(function)
                if round_ or taken > 1:
                    times[what].append(taken)
    return times


MEASUREMENTS = {
    "entries": measure_entries,
    "layers": measure_layers,
    "quickly": measure_quickly,
}


# The run


def measure(backend: str, quick: bool) -> dict[str, Any]:
    """All measurements of one backend, or a few to see that they run."""
    found = {"backend": backend, "versions": versions(), "cores": os.cpu_count()}
    if quick:
        return {**found, **fresh(__file__, backend, "quickly")}
    return {
        **found,
        "entries": fresh(__file__, backend, "entries", ENTRIES, False),
        "layers": {
            str(depth): fresh(
                *(__file__, backend, "layers", depth, 1 if depth >= 1000 else 3)
            )
            for depth in DEPTHS
        },
    }


def medians(found: dict[str, dict[str, list[float]]]) -> dict[str, dict[int, float]]:
    """The median of each label by its sizes."""
    curves: dict[str, dict[int, float]] = {}
    for size, times in found.items():
        for label, values in times.items():
            curves.setdefault(label, {})[int(size)] = statistics.median(values)
    return curves


def slope(curve: dict[int, float], least: int) -> float:
    """By which power of the size the time grows, from a size to the largest one."""
    sizes = [size for size in curve if size >= least]
    if len(sizes) < 2:
        return math.nan
    first, last = sizes[0], sizes[-1]
    return math.log(curve[last] / curve[first]) / math.log(last / first)


def table(results: dict[str, Any]) -> str:
    """The results in Markdown, in milliseconds, with the slopes of the last part."""
    lines = []
    for what, least in (("entries", 10**6), ("layers", 100)):
        curves = medians(results[what])
        sizes = [int(size) for size in results[what]]
        head = " | ".join(f"{size:,}" for size in sizes)
        lines += [f"| {what} | {head} | slope |", "|---" * (len(sizes) + 2) + "|"]
        for label, curve in curves.items():
            cells = " | ".join(f"{curve[size] * 1e3:.3g}" for size in sizes)
            lines.append(f"| {label} | {cells} | {slope(curve, least):.2f} |")
        lines.append("")
    return "\n".join(lines)


def plot(folder: Path) -> None:
    """A picture of all backends, for light and dark pages."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found = [
        json.loads(path.read_text())
        for backend in BACKENDS
        if (path := folder / f"scaling-{backend}.json").exists()
    ]
    grey = "#808080"
    colored = ("text", "xtick", "ytick")
    style = {
        **{f"{part}.color": grey for part in colored},
        **{f"axes.{part}color": grey for part in ("label", "title", "edge")},
        **{"font.size": 9, "svg.hashsalt": "scaling"},
    }
    with plt.rc_context(style):
        figure, axes = plt.subplots(
            2,
            len(found),
            figsize=(4 * len(found), 7),
            layout="constrained",
            squeeze=False,
            sharey="row",
        )
        for column, results in enumerate(found):
            for row, what in enumerate(("entries", "layers")):
                draw(axes[row][column], results[what], what)
            axes[0][column].set_title(results["backend"])
        for row in range(2):
            axes[row][0].set_ylabel("seconds")
            handles, labels = axes[row][0].get_legend_handles_labels()
            axes[row][0].legend(handles, labels, frameon=False, fontsize=7)
        path = folder / "scaling.svg"
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)


def draw(axes: Any, found: dict[str, Any], what: str) -> None:
    """One panel: both axes are logarithmic."""
    for label, curve in medians(found).items():
        axes.plot(list(curve), list(curve.values()), marker=".", label=label)
    sizes = [int(size) for size in found]
    ends = [sizes[0], sizes[-1]]
    top = max(statistics.median(values) for values in found[str(ends[1])].values())
    for scale in (1, 1e-1, 1e-2):
        line = [scale * top * end / ends[1] for end in ends]
        axes.plot(ends, line, color="#808080", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(
        "entries of the kernel" if what == "entries" else "layers of the model"
    )
    axes.grid(color="#808080", alpha=0.25)


def main() -> None:
    """Runs from the command line."""
    redraw = {"action": "store_true", "help": "from what is measured"}
    options = command_line(__doc__ or "", MEASUREMENTS, redraw=redraw)
    if options is None:
        return
    if not options.redraw:
        results = measure(options.backend, options.quick)
        path = options.output / f"scaling-{options.backend}.json"
        path.write_text(json.dumps(results, indent=1) + "\n")
        print(table(results))
    plot(options.output)


if __name__ == "__main__":
    main()
