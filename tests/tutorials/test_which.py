"""The page "Which initializer?": each of its lines runs."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

TUTORIALS = Path(__file__).parents[2] / "tutorials"
sys.path.insert(0, str(TUTORIALS))

from _which.engine import Line, best_of  # noqa: E402
from _which.page import page, table, with_short_table  # noqa: E402
from _which.rows import ROWS  # noqa: E402
from which import PAGE, README, read  # noqa: E402

pytestmark = pytest.mark.same_on_each_backend(every=9)


def small(row):
    """The row with a network that is built in no time, and an untrained source."""
    size = {**row.size, **row.small}
    source = {"source": row.build(**size)} if row.name == "small-data" else {}
    return dataclasses.replace(row, size=size, names=lambda: source)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_line_sets_the_weights(row):
    row = small(row)
    data = tuple(part[:350] for part in row.task.data())  # A sample of each class.
    for text in row.lines:
        model = Line(row, text, row.size, data).model()
        assert all(np.isfinite(weights).all() for weights in model.get_weights())


def test_the_page_is_the_one_that_was_measured():
    assert PAGE.read_text(encoding="utf-8") == page(ROWS, read())


def test_the_table_of_the_readme_is_the_one_that_was_measured():
    text = README.read_text(encoding="utf-8")
    assert text == with_short_table(text, ROWS, read())


def test_the_table_names_the_best_line_of_each_row():
    measured = read()
    text = table([row for row in ROWS if row.name in measured], measured)
    for row in ROWS:
        if row.name in measured:
            runs = measured[row.name]["runs"]
            assert (
                f"(#{row.name}) | {row.activation} | `{best_of(row, runs)}` |" in text
            )
