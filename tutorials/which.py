"""Which initializer? One line for each kind of network, measured.

Trains small networks of many kinds from Keras's default and from the lines that suit
them, each at the same learning rates and from the same three seeds. It writes what it
measured to `docs/measured/which/`, the page `docs/which_initializer.md`, and the table
of the README:

    KERAS_BACKEND=jax python which.py
    KERAS_BACKEND=jax python which.py --only siren plain-cnn-relu
    python which.py --table

`--table` measures nothing, and writes the page from what was measured. `--quick` takes
a moment for one row of each kind, and keeps nothing but its page.
"""

import argparse
import json
from pathlib import Path

import _common  # noqa: F401  (sets the environment before Keras is imported)
import _learning
import keras
from _which.engine import measure
from _which.page import page, with_short_table
from _which.rows import KINDS, ROWS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "which_initializer.md"
README = ROOT / "README.md"


def chosen_rows(arguments):
    """The rows that are to be measured."""
    if arguments.table:
        return []
    if arguments.only:
        return [{row.name: row for row in ROWS}[name] for name in arguments.only]
    return [kind.ROWS[0] for kind in KINDS] if arguments.quick else ROWS


def read():
    """What was measured before, by the name of the row."""
    folder = _learning.MEASURED / "which"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def main():
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a moment for each kind")
    parser.add_argument("--only", nargs="+", help="these rows, by their names")
    parser.add_argument("--table", action="store_true", help="only writes the page")
    parser.add_argument("--output", default=PAGE, type=Path, help="where the page goes")
    arguments = parser.parse_args()
    quick = {}
    for row in chosen_rows(arguments):
        print(row.name, flush=True)
        values = measure(row, arguments.quick)
        if arguments.quick:
            quick[row.name] = {**values, "backend": keras.backend.backend()}
        else:
            _learning.write("which", row.name, values)
    arguments.output.write_text(page(ROWS, quick or read()), encoding="utf-8")
    if arguments.output == PAGE:
        text = with_short_table(README.read_text(encoding="utf-8"), ROWS, read())
        README.write_text(text, encoding="utf-8")
    print(f"The page is {arguments.output}.")


if __name__ == "__main__":
    main()
