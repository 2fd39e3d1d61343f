"""Four panels for each initializer and scheme, beside Keras's default.

The kernel as a picture; its singular values; the signal and the gradient by depth, or
by step, in a network that it is meant for; and a learning curve. Both starts learn at
the same grid of learning rates from the same three seeds, and each is shown at the
rate with the lowest training loss, as the mean and from the lowest to the highest.

    KERAS_BACKEND=jax python panels.py
    KERAS_BACKEND=jax python panels.py --only OrthogonalDelta lsuv
    KERAS_BACKEND=torch python panels.py --quick --output pictures

A picture goes to `docs/panels/` and its numbers to `docs/measured/panels/`. `--redraw`
draws from these numbers, and measures nothing. `--quick` trains a few networks for one
epoch, and writes no numbers.
"""

import argparse
import json
import time
from pathlib import Path

import _common  # noqa: F401
import _learning
import keras
from _panels.draw import draw
from _panels.entries import ENTRIES
from _panels.measure import Measurements

PICTURES = Path(__file__).parents[1] / "docs" / "panels"
QUICK = ["FromArray", "ChronoBias"]
# Larger drawings become PNG files.
LARGEST = 150_000


def save(name, values, folder):
    """Draws the picture; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.svg"
    draw(name, values, path)
    if path.stat().st_size <= LARGEST:
        return path
    path.unlink()
    draw(name, values, path.with_suffix(".png"))
    return path.with_suffix(".png")


def summary(values):
    """The last score of both starts."""
    scores = []
    for side in ("named", "beside"):
        last = [curve[-1] for curve in values[side]["scores"]]
        shown = ", ".join("diverges" if v is None else f"{v:.3g}" for v in last)
        scores.append(f"{shown} at {values[side]['rate']:g}")
    return f"{values['score']} {scores[0]}; Keras {scores[1]}"


def main():
    """Measures and draws what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=ENTRIES, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="a few, for one epoch")
    parser.add_argument("--redraw", action="store_true", help="from measured numbers")
    parser.add_argument("--output", default=PICTURES, type=Path, help="a folder")
    arguments = parser.parse_args()
    names = arguments.only or (QUICK if arguments.quick else ENTRIES)
    print(f"{len(names)} pictures on the {keras.backend.backend()} backend:")
    measurements = Measurements(arguments.quick)
    for name in names:
        start = time.perf_counter()
        if arguments.redraw:
            path = _learning.MEASURED / "panels" / f"{name}.json"
            values = json.loads(path.read_text())
        else:
            values = measurements.of(ENTRIES[name])
            if not arguments.quick:
                _learning.write("panels", name, values)
        path = save(name, values, arguments.output)
        seconds = time.perf_counter() - start
        print(f"  {path.name}: {summary(values)} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
