"""A table that is also a sequence of its rows."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from keras_initx._report.table import Tabular

Row = TypeVar("Row")


class RowReport(Tabular, Generic[Row]):
    """A report on several things alike, with one row for each, in their order."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: str | int) -> Row:
        """The row of a layer or a variable, by its path or its place."""
        if isinstance(place, int):
            return self.rows[place]
        for row in self.rows:
            if getattr(row, "path", None) == place:
                return row
        raise KeyError(place)
