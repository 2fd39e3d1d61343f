"""What the page of a public name is made from: its formula, and its four panels."""

import inspect
import json
import tomllib
from pathlib import Path

import public_names
import pytest

import keras_initx

pytestmark = pytest.mark.same_on_each_backend(every=9)

DOCS = Path(__file__).parents[1] / "docs"
FORMULAS = tomllib.loads((DOCS / "formulas.toml").read_text(encoding="utf-8"))
KEYS = {"formula", "where", "when", "not_when", "tutorial"}
TUTORIALS = {path.stem for path in (DOCS.parent / "tutorials").glob("*.ipynb")}


def public(folder, kind):
    """The names of a public folder that are classes, or functions."""
    members = vars(getattr(keras_initx, folder)).items()
    return [name for name, member in members if kind(member)]


# `Rules` is a class, and no scheme; `border_gain` a function, and no initializer.
DRAWN = sorted(
    public("initializers", inspect.isclass)
    + public("constraints", inspect.isclass)
    + public("schemes", inspect.isfunction)
)


@pytest.mark.parametrize("name", DRAWN)
def test_a_name_has_a_formula_and_panels(name):
    assert set(FORMULAS[name]) == KEYS
    pictures = [path.suffix for path in (DOCS / "panels").glob(f"{name}.*")]
    assert pictures in ([".svg"], [".png"])
    text = (DOCS / "measured" / "panels" / f"{name}.json").read_text(encoding="utf-8")
    measured = json.loads(text, parse_constant=pytest.fail)
    for side in ("named", "beside"):
        assert len(measured[side]["scores"]) == len(measured["seeds"]) == 3
        assert measured[side]["rate"] in measured["rates"]


def test_each_formula_belongs_to_a_public_name():
    folders = [vars(getattr(keras_initx, folder)) for folder in public_names.FOLDERS]
    assert set(FORMULAS) <= set().union(*folders)
    assert {path.stem for path in (DOCS / "panels").iterdir()} == set(DRAWN)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_table_says_when_to_use_it(name):
    table = FORMULAS[name]
    # A formula comes with its symbols; a context or a report has none.
    assert set(table) in (KEYS, KEYS - {"formula", "where"})
    assert table["tutorial"] in TUTORIALS
    for key in set(table) - {"formula", "tutorial"}:
        assert table[key][0].isupper() or key == "where"
        assert table[key].endswith(".")
