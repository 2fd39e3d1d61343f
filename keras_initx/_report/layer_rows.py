"""A table with one row for each layer, found by its path."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from keras_initx._report.table import Tabular


class _HasPath(Protocol):
    path: str


Row = TypeVar("Row", bound=_HasPath)


class LayerRows(Tabular, Generic[Row]):
    """A report whose `rows` have a `path`."""

    rows: list[Row]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, path: str | int) -> Row:
        """The row of a layer, by its path or its number."""
        if isinstance(path, int):
            return self.rows[path]
        for row in self.rows:
            if row.path == path:
                return row
        raise KeyError(path)
