"""The documentation site: what can be checked without building it."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

import keras_initx

pytestmark = pytest.mark.same_on_each_backend(every=9)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MKDOCS = (ROOT / "mkdocs.yml").read_text("utf-8")
# Folders whose pages are made when the site is built.
MADE = ("tutorials/", "reference/")


@pytest.fixture(scope="module")
def hooks():
    """The modules of the site that do not need mkdocs."""
    sys.path.insert(0, str(DOCS / "hooks"))
    names = ("site_names", "site_docstrings", "site_notebooks")
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(DOCS / "hooks"))
        for name in names:
            sys.modules.pop(name, None)


def pages_of_nav():
    nav = MKDOCS.partition("\nnav:\n")[2].partition("\n\n")[0]
    return re.findall(r": (\S+[./]\S*)$", nav, re.MULTILINE)


def test_each_namespace_is_shown(hooks):
    folders = {
        path.parent.name
        for path in Path(keras_initx.__file__).parent.glob("[a-z]*/__init__.py")
    }
    assert set(hooks["site_names"].NAMESPACES) == folders


def test_each_name_of_the_package_has_a_page(hooks):
    pages = hooks["site_names"].pages_of_names()
    names = [name for name in vars(keras_initx) if not name.startswith("_")]
    missing = [name for name in names if name not in pages]
    assert set(missing) == set(hooks["site_names"].NAMESPACES)


def test_a_docstring_becomes_a_page(hooks):
    docstrings = hooks["site_docstrings"]
    text = docstrings.markdown_of(keras_initx.initializers.SpectralRadius)
    assert re.findall("^## (.*)", text, re.MULTILINE) == [
        *("Example", "Arguments", "Raises", "Reference")
    ]
    assert ">>>" not in text
    # The text that several classes share has been filled in.
    assert re.search(r"^`seed`\n:   int, `keras.random.SeedGenerator`", text, re.M)


def test_a_signature_is_that_of_python(hooks):
    signature_of = hooks["site_docstrings"].signature_of

    def example(model, x=None, *, q="most_stable", **kwargs: int) -> float:
        """An example."""

    assert signature_of("short", example) == (
        "short(model, x=None, *, q='most_stable', **kwargs)"
    )
    long = signature_of("a.path.that.is.longer.than.the.page", example)
    assert long.splitlines() == [
        "a.path.that.is.longer.than.the.page(",
        "    model,",
        "    x=None,",
        "    *,",
        "    q='most_stable',",
        "    **kwargs,",
        ")",
    ]


def test_what_a_notebook_prints_is_that_of_a_terminal(hooks):
    printed = hooks["site_notebooks"]._printed
    assert printed("\x1b[1m1/2\x1b[0m\b\b\b2/2\n") == "2/2\n"
    assert printed("10 %\r20 %\rdone\n") == "done\n"


def test_each_notebook_becomes_a_page(hooks):
    notebooks = hooks["site_notebooks"]
    paths = notebooks.notebooks()
    assert paths
    for path in paths:
        page = notebooks.read(path)
        assert page.title
        assert page.introduction


def test_each_page_of_the_navigation_exists(hooks):
    made = {"benchmarks.md", "changelog.md", "contributing.md"}
    pages = pages_of_nav()
    assert set(MADE) <= set(pages)
    for page in set(pages) - set(MADE) - made:
        assert (DOCS / page).exists(), page
    for page in DOCS.glob("*.md"):
        assert page.name in pages


def test_the_site_has_one_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    address = re.search(r"^site_url: (.*)$", MKDOCS, re.MULTILINE)[1]
    assert project["urls"]["Documentation"] == address
    assert f"\nrepo_url: {project['urls']['Source']}\n" in MKDOCS


def test_each_initializer_and_scheme_is_illustrated(hooks):
    if not (DOCS / "formulas.toml").exists():
        pytest.skip("there are no formulas yet")
    assert hooks["site_names"].without_illustration() == []
    known = {
        name
        for members in hooks["site_names"].public_names().values()
        for name in members
    }
    assert set(hooks["site_names"].formulas()) <= known
