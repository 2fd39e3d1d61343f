"""What papers claim of the schemes, and what comes of it on small networks.

Each claim is a function in `_claims/`, which measures it and says by a rule whether it
comes out. The script writes a JSON file for each claim into `docs/measured/claims/`,
and makes the table of all claims of them:

    KERAS_BACKEND=jax python claims.py
    KERAS_BACKEND=torch python claims.py --only delta_isometry lsuv_unit_variance
    python claims.py --table

`--table` measures nothing. `--quick` measures each claim at a size that says nothing,
and writes no JSON, only the table where `--output` says.
"""

import argparse
import time
from pathlib import Path

import _common  # noqa: F401  (sets the environment before Keras is imported)
import _learning
import keras
from _claims import (  # noqa: F401  (each enters its claims into the table)
    gates,
    images,
    kernels,
    learn_plain,
    learn_recurrent,
    learn_residual,
    learn_shaped,
    learn_small,
    maps,
    models,
    residual,
    signal,
    walks,
)
from _claims.claim import CLAIMS
from _claims.page import page, stored

PAGE = Path(__file__).parents[1] / "docs" / "claims.md"


def measure(claim, quick):
    """All that the JSON file holds of a claim."""
    start = time.perf_counter()
    print(f"{claim.name}:", flush=True)
    found = claim.measure(quick)
    seconds = time.perf_counter() - start
    print(f"  {found.comes_out}: {found.text} ({seconds:.0f} s)", flush=True)
    return {
        "backend": keras.backend.backend(),
        "claim": claim.says,
        "comes_out": found.comes_out,
        "measured": found.text,
        "numbers": found.numbers,
        "paper": claim.paper,
        "rates": list(found.rates),
        "schemes": list(claim.schemes),
        "script": claim.script,
        "seconds": round(seconds),
        "seeds": list(found.seeds),
        "size": found.size,
        "subject": claim.subject,
        "trains": claim.trains,
        "why": "" if found.comes_out == "yes" else found.why,
    }


def main():
    """Measures what is asked for, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(CLAIMS), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="a tiny size of each")
    parser.add_argument("--table", action="store_true", help="write the page, no more")
    parser.add_argument("--output", type=Path, help="where the page goes")
    arguments = parser.parse_args()
    found = {}
    for name in [] if arguments.table else arguments.only or CLAIMS:
        found[name] = measure(CLAIMS[name], arguments.quick)
        if not arguments.quick:
            _learning.write("claims", name, found[name])
    path = arguments.output or (None if arguments.quick else PAGE)
    if path is not None:
        path.write_text(page(found if arguments.quick else stored()))
        print(f"The table is in {path}.")


if __name__ == "__main__":
    main()
