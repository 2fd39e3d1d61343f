"""The tutorials and benchmarks run, each on one backend.

What they call is tested on each. They run among the tests, so that no core is idle.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from catalogue import BACKEND

ROOT = Path(__file__).parents[1]
# PyTorch, which compiles nothing, is the fastest.
SCRIPTS = {
    "jax": ("tutorials/quickstart.py",),
    "tensorflow": (
        "tutorials/recurrent.py",
        "tutorials/fixup.py",
        "benchmarks/diagnostics.py",
        "benchmarks/skip_init.py",
    ),
    "torch": (
        "benchmarks/initializers.py",
        "benchmarks/lsuv.py",
        "tutorials/diagnose.ipynb",
        "tutorials/lsuv.py",
        "tutorials/t_fixup.py",
        "tutorials/critical.py",
        "benchmarks/constraints.py",
        "benchmarks/reinitialize.py",
        "benchmarks/applications.py",
    ),
}
# What a script takes in the place of `--quick`.
ARGUMENTS = {
    "benchmarks/applications.py": [
        *("--tool", "reinitialize"),
        *("--networks", "MobileNet"),
    ]
}

pytestmark = pytest.mark.skipif(
    os.environ.get("KERAS_INITX_SCRIPTS") != "1",
    reason="tox says in which environments scripts run",
)


def command(script, folder):
    """What a user types."""
    path = str(ROOT / script)
    if script.endswith(".ipynb"):
        jupyter = str(Path(sys.executable).with_name("jupyter"))
        return [jupyter, "execute", path, "--output", str(folder / Path(script).name)]
    output = folder / "picture.png" if script.startswith("tutorials/") else folder
    backend = ["--backend", BACKEND] if script.startswith("benchmarks/") else []
    arguments = [*backend, *ARGUMENTS.get(script, ["--quick"])]
    return [sys.executable, path, *arguments, "--output", str(output)]


def test_each_script_runs_somewhere():
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("tutorials", "benchmarks")
        for path in (ROOT / folder).glob("*.*")
        if path.suffix in (".py", ".ipynb")
    } - {"tutorials/_common.py", "benchmarks/common.py"}
    assert {script for scripts in SCRIPTS.values() for script in scripts} == found


@pytest.mark.parametrize("script", SCRIPTS[BACKEND])
def test_a_script_runs(script, tmp_path):
    done = subprocess.run(
        command(script, tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.iterdir()]
