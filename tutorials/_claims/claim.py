"""A claim of a paper, what was measured of it, and the table that holds all claims."""

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np
from _learning import Spread

SUBJECTS = {
    "signal": "A signal through many layers",
    "maps": "Wide random networks",
    "kernels": "Single layers",
    "recurrent": "Recurrent networks",
    "residual": "Residual networks and transformers",
}
CLAIMS: dict[str, "Claim"] = {}
SEEDS = (0, 1, 2)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What came of one claim.

    Attributes:
        text: str. The numbers, in a few words.
        comes_out: str. `"yes"`, `"partly"` or `"no"`, by `verdict`.
        size: str. Of what was measured.
        numbers: dict. All that was measured.
        seeds: list of int.
        rates: list of float. The learning rates that each contender tried.
        why: str. Why it does not come out, where that is known.
    """

    text: str
    comes_out: str
    size: str
    numbers: dict
    seeds: tuple = SEEDS
    rates: tuple = ()
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim, and how it is measured.

    Attributes:
        name: str. Of the function that measures it.
        subject: str. A key of `SUBJECTS`.
        schemes: tuple of str. Public names, with their folder.
        paper: str. A key of `papers.PAPERS`.
        says: str. The claim, in a few words.
        measure: function of a bool, whether it shall be quick; returns `Measured`.
        trains: bool. Whether networks are trained.
        script: str. A script or notebook that shows more of it.
    """

    name: str
    subject: str
    schemes: tuple
    paper: str
    says: str
    measure: Callable
    trains: bool
    script: str


def claim(subject, schemes, paper, says, trains=False, script="claims.py"):
    """Enters the function below it into the table of claims."""

    def enter(measure):
        name = measure.__name__
        CLAIMS[name] = Claim(
            name, subject, tuple(schemes.split()), paper, says, measure, trains, script
        )
        return measure

    return enter


def verdict(whole, part=False):
    """How a claim comes out: as a whole, or a part of it."""
    return "yes" if whole else "partly" if part else "no"


def drawn(initializer, shape):
    """A kernel as float64."""
    if isinstance(initializer, str):
        initializer = keras.initializers.get(initializer)
    return keras.ops.convert_to_numpy(initializer(shape)).astype("float64")


def root_mean_square(values):
    """Over all axes."""
    return math.sqrt(np.mean(np.square(values)))


def text_of(values, form=".2f"):
    """A list as its mean and range, once if they print the same."""
    spread = Spread.of(values)
    mean, low, high = (number(part, form) for part in dataclasses.astuple(spread))
    return mean if low == high else f"{mean} ({low} to {high})"


def number(value, form=".2f"):
    """A number as it is read in a table."""
    if not math.isfinite(value):
        return "diverges"
    if value == 0:
        return "0"
    return f"{value:{form}}".replace("e-0", "e-").replace("e+0", "e+")


def percent(values):
    """A list of shares as its mean and range."""
    return text_of([100 * value for value in values], ".0f") + " %"
