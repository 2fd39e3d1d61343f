"""The page of verdicts: a section for each kind, whose network has it."""

import re
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
from catalogue import BACKEND

import keras_initx
from keras_initx._report.documentation import DOCUMENTATION
from keras_initx.diagnostics import VerdictKind
from keras_initx.diagnostics._judge.effects import EFFECTS
from keras_initx.diagnostics._judge.judges import JUDGES, JUDGES_OF_WEIGHTS
from keras_initx.diagnostics._judge.verdict import Verdict

pytestmark = pytest.mark.same_on_each_backend(every=9)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "verdicts.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))
INTRODUCTION = PAGE.partition("\n### `")[0]
FAULTS = [kind for kind in VerdictKind if kind != VerdictKind.HEALTHY]


def run(text):
    """The names that the code of a text gives: `model`, and `x`, `y` and `loss`."""
    x = np.random.default_rng(0).normal(size=(64, 32)).astype("float32")
    names = {"keras": keras, "keras_initx": keras_initx, "np": np, "x": x}
    names["__name__"] = "page"
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)), names)
    return names


def remedy_of(kind):
    """The first code of a section's remedy: what the example is told to use."""
    remedy = SECTIONS[kind].partition("**Remedy:**")[2]
    return " ".join(re.findall(r"`([^`]+)`", remedy)[0].split())


def without_numbers(text):
    """A text whose numbers, which depend on the draw, are left out."""
    return re.sub(r"\d[\d.]*(e-?\d+)?", "", text)


def report_on(kind):
    """The report on the network of a section."""
    names = run(SECTIONS[kind])
    arguments = (names.get(name) for name in ("model", "x", "y", "loss"))
    return keras_initx.signal_report(*arguments)


def test_each_kind_has_its_section_in_order():
    assert list(SECTIONS) == [kind.value for kind in VerdictKind]


def test_the_address_of_a_kind_is_that_of_its_section():
    """Markdown makes the anchor of a heading that is one word from this word."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"]["Documentation"] == DOCUMENTATION
    url = Verdict("dead_units", None, "").url
    assert url == f"{DOCUMENTATION}verdicts/#dead_units"


def test_each_fault_has_a_symptom():
    table = INTRODUCTION.partition("## By symptom")[2].partition("\n## ")[0]
    links = re.findall(r"\[`(\w+)`\]\(#(\w+)\)", table)
    assert {shown for shown, _ in links} == {anchor for _, anchor in links}
    assert {anchor for _, anchor in links} == set(FAULTS)


def test_each_kind_has_its_judge():
    assert sorted(judge.__name__ for judge in JUDGES) == sorted(FAULTS)


def test_the_judges_of_weights_are_judges():
    assert set(JUDGES_OF_WEIGHTS) <= set(JUDGES)


def test_causes_and_effects_are_kinds():
    assert set(EFFECTS).union(*EFFECTS.values()) <= set(FAULTS)


def test_the_introduction_runs():
    assert "report" in run(INTRODUCTION)


def test_a_healthy_network_is_healthy():
    assert report_on(VerdictKind.HEALTHY).is_healthy


@pytest.mark.parametrize("kind", FAULTS)
def test_a_section_tells_what_it_measures_and_what_to_do(kind):
    for heading in ("**Measures**", "**Threshold:**", "**Remedy:**"):
        assert heading in SECTIONS[kind]


@pytest.mark.skipif(BACKEND == "jax", reason="JAX compiles programs for each network")
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.filterwarnings("ignore:You are using a softmax")
def test_the_network_of_a_section_has_its_verdict_and_its_remedy(kind):
    found = [each for each in report_on(kind).verdicts if each.kind == kind]
    assert len(found) == 1
    assert without_numbers(remedy_of(kind)) in without_numbers(found[0].text)
