"""The table of claims: what needs no training comes out here too, at a smaller size."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

import keras_initx

TUTORIALS = Path(__file__).parents[1] / "tutorials"
sys.path.insert(0, str(TUTORIALS))
claims = importlib.import_module("claims")
exact = [name for name, claim in claims.CLAIMS.items() if not claim.trains]
FOLDERS = ("initializers", "schemes", "layers", "activations", "constraints")
# They cite a library, or what they are derived from.
WITHOUT_A_CLAIM = {
    *("initializers.FromArray", "initializers.TorchBias", "initializers.border_gain"),
    "schemes.reinitialize",
}


@pytest.mark.same_on_each_backend(every=9)
@pytest.mark.parametrize("name", exact)
def test_a_claim_that_needs_no_training_comes_out_as_in_the_table(name):
    found = claims.CLAIMS[name].measure(True)
    assert found.comes_out == claims.stored()[name]["comes_out"], found.text


@pytest.mark.same_on_each_backend(every=9)
def test_the_page_is_made_of_the_files():
    assert claims.PAGE.read_text() == claims.page(claims.stored())


@pytest.mark.same_on_each_backend(every=9)
def test_each_scheme_with_a_paper_has_a_claim():
    named = {scheme for claim in claims.CLAIMS.values() for scheme in claim.schemes}
    public = {
        f"{folder}.{name}": value
        for folder in FOLDERS
        for name, value in vars(getattr(keras_initx, folder)).items()
        if not name.startswith("_")
    }
    assert named <= {*public, "callbacks.LSUV"}
    cited = {
        name
        for name, value in public.items()
        if "Reference:" in (inspect.getdoc(value) or "")
    }
    assert cited - named == WITHOUT_A_CLAIM
