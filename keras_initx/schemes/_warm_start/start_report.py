"""What `warm_start` did to each variable."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_initx._report.row_report import RowReport

_COLUMNS = ("variable", "source", "action", "rule", "shapes", "note")
ACTIONS = ("taken", "resized", "zeroed", "left")


@dataclasses.dataclass
class StartRow:
    """One variable of the model.

    Attributes:
        path: str.
        source: str or None. The path in the source; None if the source has none.
        action: str. `"taken"`, `"resized"`, `"zeroed"`, or `"left"`.
        rule: str. What resized it, or that a rule of the user left it.
        old_shape: tuple of int or None. The shape in the source.
        shape: tuple of int. The shape in the model.
        note: str. What else there is to say.
    """

    path: str
    source: str | None
    action: str
    rule: str
    old_shape: tuple[int, ...] | None
    shape: tuple[int, ...]
    note: str = ""


class StartReport(RowReport[StartRow]):
    """One row for each variable of the model, in the order of `model.weights`.

    It prints as a table of the variables that were not simply taken, and shows as one
    in a notebook.

    Attributes:
        variables: list of rows, each with the attributes `path`, `source`, `action`,
            `rule`, `old_shape`, `shape` and `note`.
        unused: list of str. The variables of the source that went nowhere.
        notes: list of str. What concerns the whole model.
    """

    _notes = 2

    def __init__(
        self, variables: list[StartRow], unused: list[str], notes: list[str]
    ) -> None:
        super().__init__(variables)
        self.unused = unused
        self.notes = notes

    @property
    def variables(self) -> list[StartRow]:
        """The rows."""
        return self.rows

    def counts(self) -> dict[str, int]:
        """How many variables were taken, resized, zeroed and left."""
        actions = [row.action for row in self.variables]
        return {action: actions.count(action) for action in ACTIONS}

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for example for JSON."""
        return {
            "variables": [dataclasses.asdict(row) for row in self.variables],
            "unused": list(self.unused),
            "notes": list(self.notes),
        }

    def _table(self) -> tuple[Sequence[str], list[Sequence[str]], str]:
        rows: list[Sequence[str]] = [
            _cells(row) for row in self.variables if row.action != "taken"
        ]
        parts = [
            f"{count} {action}" for action, count in self.counts().items() if count
        ]
        summary = [f"{', '.join(parts)}."]
        if self.unused:
            summary.append(_unused(self.unused))
        return _COLUMNS, rows, "\n".join([*summary, *self.notes])


def few(paths: list[str]) -> str:
    """The first of these names."""
    return ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")


def _cells(row: StartRow) -> tuple[str, ...]:
    shapes = str(row.shape)
    if row.old_shape is not None and row.old_shape != row.shape:
        shapes = f"{row.old_shape} to {row.shape}"
    return (row.path, row.source or "-", row.action, row.rule, shapes, row.note)


def _unused(paths: list[str]) -> str:
    """What of the source went nowhere, the first few by name."""
    what = "variable" if len(paths) == 1 else "variables"
    return f"{len(paths)} {what} of the source went nowhere: {few(paths)}."
