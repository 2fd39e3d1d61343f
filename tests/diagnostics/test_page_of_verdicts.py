"""The page of verdicts: a section for each kind, whose network has it."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_initx
from keras_initx.diagnostics import VerdictKind
from keras_initx.diagnostics._judge.effects import EFFECTS
from keras_initx.diagnostics._judge.judges import JUDGES, JUDGES_OF_WEIGHTS

pytestmark = pytest.mark.same_on_each_backend

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
SECTIONS = dict(
    re.findall(r"^## `(\w+)`\n(.*?)(?=^##? |\Z)", PAGE.read_text("utf-8"), re.M | re.S)
)
FAULTS = [kind for kind in VerdictKind if kind != VerdictKind.HEALTHY]


def code_of(kind):
    """The blocks of a section: they build `model`, and `x`, `y` and `loss`."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", SECTIONS[kind], re.M | re.S))


def without_numbers(text):
    """A draw has its own numbers."""
    return re.sub(r"\b\d[\d.]*(e-?\d+)?", "0", text)


def remedy_of(kind):
    """The first code of a section's remedy: what the example is told to use."""
    remedy = SECTIONS[kind].partition("**Remedy:**")[2]
    return " ".join(re.findall(r"`([^`]+)`", remedy)[0].split())


def report_on(kind):
    """The report on the network of a section."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 32)).astype("float32")
    names = {"keras": keras, "keras_initx": keras_initx, "np": np, "x": x}
    names["__name__"] = "page"
    exec(code_of(kind), names)
    model, x, y, loss = (names.get(name) for name in ("model", "x", "y", "loss"))
    if kind.endswith("gradient") and y is None:
        y, loss = generator.normal(size=(len(x), 1)).astype("float32"), "mse"
    return keras_initx.signal_report(model, x, y, loss)


def test_each_kind_has_its_section_in_order():
    assert list(SECTIONS) == [kind.value for kind in VerdictKind]


def test_each_kind_has_its_judge():
    assert sorted(judge.__name__ for judge in JUDGES) == sorted(FAULTS)


def test_the_judges_of_weights_are_judges():
    assert set(JUDGES_OF_WEIGHTS) <= set(JUDGES)


def test_causes_and_effects_are_kinds():
    assert set(EFFECTS).union(*EFFECTS.values()) <= set(FAULTS)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_section_tells_what_it_measures_and_what_to_do(kind):
    for heading in ("**Measures**", "**Threshold:**", "**Remedy:**"):
        assert heading in SECTIONS[kind]


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.filterwarnings("ignore:You are using a softmax")
def test_the_network_of_a_section_has_its_verdict_and_its_remedy(kind):
    found = [each for each in report_on(kind).verdicts if each.kind == kind]
    assert len(found) == 1
    assert without_numbers(remedy_of(kind)) in without_numbers(found[0].text)
