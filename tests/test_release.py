"""What we promise stands in several files, and is one thing."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

import keras_initx

pytestmark = pytest.mark.same_on_each_backend(every=9)

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
TESTS = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
RELEASE = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
TOX = (ROOT / "tox.ini").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def section(name):
    """The lines of an environment of tox."""
    return re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?=^\[|\Z)", TOX, re.M | re.S)[1]


def oldest(name, lines):
    """What a list of requirements says after `>=`."""
    found = (re.fullmatch(rf"{name}>=(\S+)", line) for line in lines)
    return next(match[1] for match in found if match)


def test_each_python_that_is_promised_is_tested():
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    (matrix,) = re.findall(r"python: \[(.*)\]", TESTS)
    assert re.findall(r"3\.\d+", matrix) == PYTHONS
    # On one machine, each backend takes another one.
    preferred = re.findall(r": python(3\.\d+), python3$", section("testenv"), re.M)
    assert [PYTHONS[0], *sorted(preferred)] == PYTHONS
    assert sorted(re.findall(r'python: "(3\.\d+)" \}', RELEASE)) == PYTHONS


def test_the_workflows_call_environments_that_are_there():
    called = set(re.findall(r"tox run -e ([\w-]+)$", TESTS + RELEASE, re.M))
    called |= set(re.findall(r"environment: ([\w-]+),", TESTS))
    (backends,) = re.findall(r"environment: \[(.*)\]", TESTS)
    called |= {*backends.split(", ")}
    described = set(re.findall(r"^\[testenv:(.*)\]$", TOX, re.M))
    described -= {"oldest-{jax,tensorflow}"}
    described |= {"oldest-jax", "oldest-tensorflow", "jax", "tensorflow", "torch"}
    assert called <= described
    # All but the sum of the coverage, and what another workflow calls.
    assert described - called <= {"coverage", "docs"}


def test_the_oldest_versions_are_tested():
    dependencies, extras = PROJECT["dependencies"], PROJECT["optional-dependencies"]
    floor = section("testenv:floor")
    assert f"keras=={oldest('keras', dependencies)}\n" in floor
    assert f"numpy=={oldest('numpy', dependencies)}.*\n" in floor
    assert f"torch=={oldest('torch', extras['torch'])}\n" in floor
    lines = section("testenv:oldest-{jax,tensorflow}")
    assert f"keras=={oldest('keras', dependencies)}\n" in lines
    assert f"numpy=={oldest('numpy', dependencies)}.*\n" in lines
    assert f"h5py=={oldest('h5py', dependencies)}\n" in lines
    assert f"jax=={oldest('jax', extras['jax'])}\n" in lines
    oldest_tensorflow = oldest("tensorflow", extras["tensorflow"])
    assert f"tensorflow-cpu=={oldest_tensorflow}\n" in lines
    assert f"matplotlib=={oldest('matplotlib', extras['plot'])}\n" in lines
    assert f"scikit-learn=={oldest('scikit-learn', extras['demo'])}\n" in lines
    assert f"pandas=={oldest('pandas', extras['test'])}\n" in lines


def test_the_readme_names_the_oldest_versions():
    keras = oldest("keras", PROJECT["dependencies"])
    assert f"Python {PYTHONS[0]}" in README
    assert f"Keras {keras}" in README


def test_the_version_stands_in_each_place():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (\S+)", citation, re.M) == [keras_initx.__version__]
    assert importlib.metadata.version("keras_initx") == keras_initx.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## (\S+) \(", changelog, re.M)[1] == keras_initx.__version__


def test_forms_and_citation_name_the_site_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    site = re.search(r"^url: (\S+)", citation, re.M)[1]
    assert PROJECT["urls"]["Documentation"] == site
    forms = (ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text("utf-8")
    repository = re.search(r"^repository-code: (\S+)", citation, re.M)[1]
    for address in re.findall(r"url: (\S+)", forms):
        assert address.startswith((site, f"{repository}/"))
