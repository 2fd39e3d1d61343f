"""Draws the four panels, for light and dark pages and for phones."""

import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from _pictures import GREY, ON_ANY_PAGE
from matplotlib.ticker import MaxNLocator, NullFormatter

NAMED, BESIDE = "C0", "C1"
# What differs is never the colour alone.
STYLES = {"named": (NAMED, "o", "-"), "beside": (BESIDE, "s", "--")}
PARAMETERS = {
    **ON_ANY_PAGE,
    "font.size": 19,
    "lines.linewidth": 2,
    "lines.markersize": 8,
    "axes.titlesize": 20,
    "svg.fonttype": "none",
    "svg.hashsalt": "panels",
}
# Of the signal; what is smaller or larger is cut off.
LOWEST, HIGHEST = 1e-9, 1e9


def draw(name, values, path):
    """Writes the picture of what was measured."""
    with plt.rc_context(PARAMETERS):
        figure, panels = plt.subplots(2, 2, figsize=(8.4, 10), layout="constrained")
        draw_weight(panels[0, 0], values)
        draw_values(panels[0, 1], values)
        draw_signal(panels[1, 0], values)
        draw_learning(panels[1, 1], values)
        lines = [
            plt.Line2D([], [], color=color, marker=marker, linestyle=line)
            for color, marker, line in STYLES.values()
        ]
        labels = [name, f"Keras: {values['default']}"]
        figure.legend(lines, labels, loc="outside upper center", ncols=2)
        title = textwrap.fill(values["network"], 46)
        figure.supxlabel(title, fontsize=18, color=GREY)
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)


def numbers(values):
    """Plain values as an array: None is NaN."""
    return np.array([math.nan if v is None else v for v in values], float)


def draw_weight(panel, values):
    """A bias as bars, anything else as pixels."""
    rows = [
        np.array([row.split() for row in values[side]["pixels"]], float)
        for side in STYLES
    ]
    shown = values["shown"].replace("/", " ").replace("_", " ")
    panel.set_title(f"{shown}{after(values, True)}")
    if len(rows[0]) == 1:
        panel.stairs(rows[0][0], color=NAMED, fill=True)
        panel.stairs(rows[1][0], color=BESIDE, linestyle="--", linewidth=2)
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.set_xlabel("entry of the bias" if rows[0].size > 1 else "")
        if rows[0].size == 1:
            panel.set(xticks=[])
        return
    largest = np.nanmax(np.abs(rows[0])) or 1
    panel.imshow(rows[0], cmap="coolwarm", vmin=-largest, vmax=largest)
    panel.set(xticks=[], yticks=[])
    panel.set_xlabel(f"red {largest:.2g}, grey 0, blue {-largest:.2g}", fontsize=16)
    for spine in panel.spines.values():
        spine.set_visible(False)


def are_far_apart(values):
    """Whether some scores are more than ten times as large as others."""
    curves = [curve for side in STYLES for curve in values[side]["scores"]]
    scores = np.concatenate([numbers(curve) for curve in curves])
    return np.nanmax(scores) > 10 * np.nanmin(scores)


def decades(panel):
    """A logarithmic axis that ends at powers of ten."""
    panel.set_yscale("log")
    low, high = np.log10(panel.get_ylim())
    panel.set_ylim(10.0 ** np.floor(low), 10.0 ** np.ceil(high))
    panel.yaxis.set_minor_formatter(NullFormatter())


def integers(panel):
    """Layers, steps and epochs are counted."""
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def after(values, is_weight=False):
    """Of what moment a panel is, if not of the start."""
    steps = values["steps_before_signal"]
    if not steps or (is_weight and not values["is_weight_trained"]):
        return ""
    return f"\nafter {steps} steps"


def draw_values(panel, values):
    """The sorted numbers of both starts."""
    for side, (color, marker, line) in STYLES.items():
        found = numbers(values[side]["values"])
        if len(found) == 1:
            place = list(STYLES).index(side)
            panel.bar([place], found, color=color, hatch="" if place == 0 else "//")
            panel.text(place, found[0], f"{found[0]:.3g}", ha="center", va="bottom")
            panel.set(xticks=[])
            continue
        places = np.linspace(0, 1, len(found))
        panel.plot(places, found, line, color=color, marker=marker, markevery=0.2)
        panel.set_xlabel("share of the values")
    low, high = panel.get_ylim()
    panel.set_ylim(min(low, 0), max(high, 1.1) if low >= 0 else high)
    panel.set_title(textwrap.fill(values["spectrum"], 22))
    panel.grid()


def draw_signal(panel, values):
    """The signal as full lines, the gradient as thin dotted ones."""
    for side, (color, marker, line) in STYLES.items():
        at = values[side]["at"]
        every = max(1, len(at) // 5)
        for name, style, filled in [
            ("deviation", line, "full"),
            ("gradient", ":", "none"),
        ]:
            found = numbers(values[side][name])
            found[(found < LOWEST) | (found > HIGHEST)] = math.nan
            panel.plot(
                at,
                found,
                style,
                color=color,
                marker=marker,
                markevery=every,
                fillstyle=filled,
            )
    decades(panel)
    integers(panel)
    signal = "state" if values["along"] == "step" else "signal"
    panel.set_title(f"std of {signal} (line)\nand gradient (dots){after(values)}")
    panel.set_xlabel(values["along"])
    panel.grid()


def draw_learning(panel, values):
    """The mean over the seeds, shaded from the lowest to the highest."""
    is_accuracy = "accuracy" in values["score"]
    for side, (color, marker, line) in STYLES.items():
        curves = np.array([numbers(curve) for curve in values[side]["scores"]])
        curves = 100 * curves if is_accuracy else curves
        epochs = np.arange(1, curves.shape[1] + 1)
        panel.plot(epochs, curves.mean(axis=0), line, color=color, marker=marker)
        low, high = curves.min(axis=0), curves.max(axis=0)
        panel.fill_between(epochs, low, high, color=color, alpha=0.25, linewidth=0)
        tell_divergence(panel, values[side]["losses"], color)
    if is_accuracy:
        panel.set_ylim(0, 103)
    elif are_far_apart(values):
        decades(panel)
    else:
        panel.set_ylim(bottom=0)
    integers(panel)
    panel.set_title(values["score"] + (", %" if is_accuracy else ""))
    panel.set_xlabel("epoch")
    panel.grid()


def tell_divergence(panel, losses, color):
    """How many seeds diverge at the best learning rate of the grid."""
    lost = sum(None in loss for loss in losses)
    if lost:
        panel.text(
            *(0.95, 0.03),
            f"{lost} of {len(losses)} diverge",
            color=color,
            ha="right",
            transform=panel.transAxes,
        )
