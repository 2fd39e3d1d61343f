"""The page of findings: its code runs, and it says what became of each."""

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

pytestmark = pytest.mark.same_on_each_backend(every=9)

FILE = Path(__file__).parents[1] / "docs" / "hooks" / "findings.py"
SPEC = importlib.util.spec_from_file_location("findings", FILE)
findings = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(findings)
PAGE = findings.PAGE.read_text("utf-8")
RECORD = json.loads(findings.RECORD.read_text("utf-8"))
BLOCKS = {match["name"]: match for match in findings._BLOCK.finditer(PAGE)}
# It builds a large network; the page runs it.
SLOW = {"efficientnet"}

LAST = {"versions": {"keras": "3.0", "backend": "jax"}, "output": "as it was\n"}


def told(code, needs=None, last=LAST):
    return findings.told(findings.run(code, needs), last)


def test_each_block_is_a_finding_that_was_found_once():
    assert len(BLOCKS) == PAGE.count("```python")
    assert list(RECORD) == list(BLOCKS)
    for name, last in RECORD.items():
        assert last["output"].strip(), name
        assert "found =" in BLOCKS[name]["code"]


@pytest.mark.parametrize("name", sorted({*BLOCKS} - SLOW))
def test_a_finding_runs(name):
    """Who mends what was found fails nothing; code that does not run any more does."""
    result = findings.run(BLOCKS[name]["code"], BLOCKS[name]["needs"])
    assert result["status"] in ("found", "mended", "missing"), result
    if result["versions"]["keras"] == RECORD[name]["versions"]["keras"]:
        assert result["status"] in ("found", "missing")


def test_what_the_page_says():
    now = f"keras {keras.__version__} on {keras.backend.backend()}"
    last = " It was last found with keras 3.0 on jax.\n"
    assert told("found = True\nprint('seen')") == (
        f"```text\nseen\n```\n\nFound in this build, with {now}.\n"
    )
    assert told("found = False\nprint('gone')") == (
        f"```text\ngone\n```\n\n**Mended:** not so with {now}.{last}"
    )
    assert told("import keras\nkeras.no_such_name") == (
        f"```text\nas it was\n```\n\n**Changed:** with {now} this code ends in "
        f"`AttributeError: module 'keras' has no attribute 'no_such_name'`.{last}"
    )
    assert told("", needs="no_such_package") == (
        "```text\nas it was\n```\n\nNot run in this build, which has no "
        f"`no_such_package`.{last}"
    )
    assert "last found" not in told("found = False", last=None)


def test_the_page_gets_its_results(monkeypatch):
    monkeypatch.setattr(findings, "results_of", findings.run_all)
    page = "# Title\n\n```python run=lstm_gates\nfound = True\nprint(1)\n```\n\nEnd.\n"
    arguments = {"config": None, "files": None}
    other = SimpleNamespace(file=SimpleNamespace(src_uri="verdicts.md"))
    assert findings.on_page_markdown(page, other, **arguments) == page
    this = SimpleNamespace(file=SimpleNamespace(src_uri="findings.md"))
    shown = findings.on_page_markdown(page, this, **arguments)
    assert re.fullmatch(
        "# Title\n\n```python\nfound = True\nprint.1.\n```\n\n```text\n1\n```\n\n"
        "Found in this build, with keras .*\\.\n\nEnd\\.\n",
        shown,
    )
