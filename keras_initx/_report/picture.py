"""What the pictures of reports have in common: axes, gaps, legends."""

import math
from collections.abc import Sequence
from typing import Any

# With more layers than this there is no room for their names.
_MOST_NAMES = 40


def name_depth(ax: Any, paths: list[str], has_input: bool = False) -> None:
    """Labels the axis of the depth: by the layers' names if they are few.

    The first layer stands at 1, the input at 0.
    """
    if len(paths) > _MOST_NAMES:
        ax.set_xlabel("layer, in order of execution")
        return
    ax.set_xlabel("layer")
    names = paths
    while len({name.partition("/")[0] for name in names}) == 1 and "/" in names[0]:
        # The name of the model is no news.
        names = [name.partition("/")[2] or name for name in names]
    ax.set_xticks(
        range(0 if has_input else 1, len(paths) + 1),
        [*(["input"] if has_input else []), *names],
        rotation=60,
        ha="right",
        rotation_mode="anchor",
        fontsize="small",
    )


def log_scale(ax: Any, values: Sequence[float | None]) -> None:
    """A logarithmic scale that has room for exact zeros, where there are any."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    positive = [value for value in known if value > 0]
    if len(positive) < len(known):
        lowest = min(positive, default=1.0)
        ax.set_yscale("symlog", linthresh=10.0 ** math.floor(math.log10(lowest)))
    else:
        ax.set_yscale("log")
    ax.grid(axis="y", color="0.85", linewidth=0.8)
    ax.set_axisbelow(True)


def finite(values: Sequence[float | None]) -> list[float]:
    """The values to draw, with gaps where there is nothing to draw."""
    return [v if v is not None and math.isfinite(v) else math.nan for v in values]


def legend(ax: Any, title: str | None = None) -> None:
    """A legend beside the axes, where it hides nothing."""
    ax.legend(title=title, loc="center left", bbox_to_anchor=(1.01, 0.5))
