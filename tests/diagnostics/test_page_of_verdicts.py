"""The page of verdicts: a section for each kind, whose network has it."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_initx
from keras_initx.diagnostics import VerdictKind

pytestmark = pytest.mark.same_on_each_backend

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
SECTIONS = dict(
    re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
)
EXAMPLES = {
    kind: "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    for kind, text in SECTIONS.items()
}


def test_each_kind_has_its_section_in_order():
    assert list(SECTIONS) == [kind.value for kind in VerdictKind]


every_fault = pytest.mark.parametrize(
    "kind", [kind for kind in VerdictKind if kind != VerdictKind.HEALTHY]
)


@every_fault
def test_a_section_tells_what_it_measures_and_what_to_do(kind):
    for heading in ("**Measures**", "**Threshold:**", "**Remedy:**"):
        assert heading in SECTIONS[kind]


@every_fault
@pytest.mark.filterwarnings("ignore:You are using a softmax")
def test_the_network_of_a_section_is_told_so(kind):
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    names = {
        "keras": keras,
        "keras_initx": keras_initx,
        "np": np,
        "x": generator.normal(size=(64, 32)).astype("float32"),
    }
    exec(EXAMPLES[kind], names)
    model, x, y, loss = (names.get(name) for name in ("model", "x", "y", "loss"))
    if kind.endswith("gradient") and y is None:
        y, loss = generator.normal(size=(len(x), 1)).astype("float32"), "mse"
    report = keras_initx.signal_report(model, x, y, loss)
    assert kind in [verdict.kind for verdict in report.verdicts]
