"""A table of strings, for a terminal and for a notebook."""

import html
from collections.abc import Sequence


class Tabular:
    """What prints as a table, and shows as one in a notebook."""

    # How many of the last columns are words.
    _notes = 1

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]], str]:
        """The heads, the rows and the summary."""
        raise NotImplementedError

    def __str__(self) -> str:
        return as_text(*self._table(), notes=self._notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(*self._table())


def number(value: float | None, digits: int = 4) -> str:
    """A number with four digits, or so many; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}g}"


def as_text(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    summary: str,
    names: int = 2,
    notes: int = 1,
) -> str:
    """Aligned columns, with a line below their heads and the summary below the table.

    The first `names` columns and the last `notes` ones start at the left; the others
    are numbers, which end at the right.
    """
    last = len(head) - 1
    left = {*range(names), *range(last - notes + 1, last + 1)}
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for line in (head, *rows):
        cells = [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * last))
    return "\n".join([*lines, summary])


def as_html(head: Sequence[str], rows: Sequence[Sequence[str]], summary: str) -> str:
    """The same in HTML, with one paragraph for each line of the summary.

    A line that is an address is a link.
    """

    def line(cells: Sequence[str], tag: str) -> str:
        marked = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{marked}</tr>"

    def paragraph(text: str) -> str:
        words = html.escape(text.strip())
        if words.startswith("https://"):
            words = f'<a href="{words}">{words}</a>'
        return f"<p>{words}</p>"

    body = "".join(line(row, "td") for row in rows)
    words = "".join(map(paragraph, summary.splitlines()))
    return (
        f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>{words}"
    )
