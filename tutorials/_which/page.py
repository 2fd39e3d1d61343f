"""The page "Which initializer?" from what was measured."""

import inspect
import math
import textwrap
from pathlib import Path

from _which.engine import DEFAULT, best_of

# The words around the tables.
TEMPLATE = Path(__file__).with_name("page.md")
COLUMNS = (
    "network",
    "activation",
    "one line to paste",
    "Keras's default",
    "with the line",
    "tutorial",
    "when it does not help",
)
# Where the README has its rows, and which.
BEGIN = "<!-- Written by `python tutorials/which.py --table`. -->"
END = "<!-- The end of the table. -->"
SHORT = (
    "plain-dense-relu",
    "plain-cnn-tanh",
    "plain-cnn-gelu",
    "grouped",
    "transformer-post-norm",
    "lstm-long",
    "gru-long",
    "siren",
    "attention",
)


def page(rows, measured):
    """The whole page, of those rows that were measured."""
    rows = [row for row in rows if row.name in measured]
    notes = "\n".join(note(row, measured[row.name]) for row in rows)
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("<!-- table -->", table(rows, measured))
    return text.replace("<!-- rows -->\n", notes)


def table(rows, measured):
    """A row for each network."""
    return markdown(COLUMNS, [cells(row, measured[row.name]) for row in rows])


def short_table(rows, measured):
    """The rows of the README, with the first columns and without links."""
    named = {row.name: row for row in rows}
    chosen = [
        (named[name].network, *cells(named[name], measured[name])[1:5])
        for name in SHORT
    ]
    return markdown(COLUMNS[:5], chosen)


def with_short_table(text, rows, measured):
    """A text with that table between its two marks."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{short_table(rows, measured)}\n{END}{after}"


def cells(row, values):
    """One row of the table."""
    best, runs = best_of(row, values["runs"]), values["runs"]
    return (
        f"[{row.network}](#{row.name})",
        row.activation,
        f"`{best}`",
        spread(runs[DEFAULT]["score"], row.task.unit),
        spread(runs[best]["score"], row.task.unit),
        f"[{row.tutorial}](tutorials/{row.tutorial}.ipynb)",
        limits(row, values),
    )


def outcome(row, values):
    """What came out here, where that is not a gain."""
    runs = values["runs"]
    default, line = runs[DEFAULT]["score"], runs[best_of(row, runs)]["score"]
    if default["low"] <= line["high"] and line["low"] <= default["high"]:
        return "**Here**: no gain beyond the spread of the seeds."
    if (line["mean"] > default["mean"]) == row.task.is_higher_better:
        return ""
    return "**Here**: worse than Keras's default."


def limits(row, values):
    """When the line does not help, with what was measured."""
    text = row.not_when
    if row.control:
        unit = (row.control.task or row.task).unit
        control = values.get("control", {})
        found = {
            "default": control.get(DEFAULT),
            "line": control.get(best_of(row, values["runs"])),
        }
        text = text.format(
            **{
                name: spread(run["score"], unit) if run else "?"
                for name, run in found.items()
            }
        )
    return f"{outcome(row, values)} {text}".strip()


def spread(score, unit):
    """The mean, and the lowest and the highest."""
    numbers = [score[name] for name in ("mean", "low", "high")]
    if unit == "%":
        mean, low, high = (f"{100 * number:.0f}" for number in numbers)
        return f"{mean} % ({low} to {high})"
    mean, low, high = (f"{number:.3g}" for number in numbers)
    return f"{unit} {mean} ({low} to {high})"


def note(row, values):
    """The network, its training, and all lines that were tried."""
    runs, task = values["runs"], row.task
    optimizer = type(task.optimizer()).__name__
    rates = ", ".join(f"{rate:g}" for rate in values["rates"])
    lines = [
        f'<a id="{row.name}"></a>',
        "",
        f"### {row.network}, {row.activation}",
        "",
        "```python",
        source(row.build),
        "```",
        "",
        f"Learns {task.what}: {values['epochs']} epochs of {task.batch_size} samples a "
        f"step, with {optimizer} at the best of {rates}, from {len(values['seeds'])} "
        f"seeds. The score is the {task.score}.",
        "",
        all_lines(row, runs, task),
        "",
    ]
    if row.control and "control" in values:
        other = row.control.task or task
        tried = ", ".join(f"{rate:g}" for rate in other.rates)
        lines += [
            f"The same with {row.control.what} ({other.epochs} epochs, at the best of "
            f"{tried}):",
            "",
            all_lines(row, values["control"], other),
            "",
        ]
    lines += [
        f"`python tutorials/which.py --only {row.name}` takes {values['seconds']} s of "
        f"one core ({values['backend']}).",
        "",
    ]
    return "\n".join(lines)


def all_lines(row, runs, task):
    """Each line at its best rate."""
    extra = [row.extra_name] if row.extra and "extra" in runs[DEFAULT] else []
    # A policy has no loss that tells how good it is.
    loss = [] if row.train else ["training loss"]
    header = ("line", "rate", *loss, task.score, *extra)
    body = [
        (
            f"`{text}`" if text else "Keras's default",
            f"{run['rate']:g}",
            *([number(run["loss"]["mean"])] if loss else []),
            spread(run["score"], task.unit),
            *([f"{run['extra']:.2g}"] if extra else []),
        )
        for text, run in runs.items()
    ]
    return markdown(header, body)


def number(mean):
    """A mean, or that there is none."""
    return f"{mean:.3g}" if math.isfinite(mean) else "diverges"


def markdown(header, body):
    """A table."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def source(function):
    """The code of a network, without its docstring."""
    text = textwrap.dedent(inspect.getsource(function))
    head, _, rest = text.partition('    """')
    return (head + rest.partition('"""\n')[2]).rstrip()
