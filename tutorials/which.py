"""Which initializer? Measures the rows of docs/which_initializer.md, and writes it."""

import argparse

import _common  # noqa: F401  (sets the environment before Keras is imported)
import _learning

from _which.engine import measure
from _which.rows import ROWS


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a moment for each row")
    parser.add_argument("--only", nargs="*", help="these rows, by their names")
    arguments = parser.parse_args()
    for row in ROWS:
        if arguments.only and row.name not in arguments.only:
            continue
        print(row.name, flush=True)
        values = measure(row, arguments.quick)
        if not arguments.quick:
            _learning.write("which", row.name, values)


if __name__ == "__main__":
    main()
