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
# PyTorch, which compiles nothing and is the fastest, runs what is not named here.
ELSEWHERE = {
    "jax": ("tutorials/quickstart.py",),
    "tensorflow": (
        "tutorials/recurrent.py",
        "tutorials/fixup.py",
        "benchmarks/diagnostics.py",
        "benchmarks/skip_init.py",
    ),
}
# What a script takes in the place of `--quick`.
ARGUMENTS = {
    "benchmarks/applications.py": [
        *("--tool", "reinitialize"),
        *("--networks", "MobileNet"),
    ]
}
# These write several files.
INTO_A_FOLDER = ("benchmarks/", "tutorials/panels.py")

pytestmark = pytest.mark.skipif(
    os.environ.get("KERAS_INITX_SCRIPTS") != "1",
    reason="tox says in which environments scripts run",
)


def scripts():
    """All that a user runs, by its place in the repository."""
    return {
        path.relative_to(ROOT).as_posix()
        for folder in ("tutorials", "benchmarks")
        for path in (ROOT / folder).glob("*.*")
        # What begins with an underscore is imported by others, and so is `common.py`.
        if path.suffix in (".py", ".ipynb")
        if not path.name.startswith("_") and path.name != "common.py"
    }


def scripts_here():
    """Those of this backend, the same in each process."""
    named = {script for names in ELSEWHERE.values() for script in names}
    return sorted(ELSEWHERE.get(BACKEND, scripts() - named))


def command(script, folder):
    """What a user types."""
    path = str(ROOT / script)
    if script.endswith(".ipynb"):
        jupyter = str(Path(sys.executable).with_name("jupyter"))
        return [jupyter, "execute", path, "--output", str(folder / Path(script).name)]
    output = folder if script.startswith(INTO_A_FOLDER) else folder / "output.png"
    backend = ["--backend", BACKEND] if script.startswith("benchmarks/") else []
    arguments = [*backend, *ARGUMENTS.get(script, ["--quick"])]
    return [sys.executable, path, *arguments, "--output", str(output)]


def test_what_runs_elsewhere_is_there():
    assert {script for names in ELSEWHERE.values() for script in names} <= scripts()


@pytest.mark.parametrize("script", scripts_here())
def test_a_script_runs(script, tmp_path):
    done = subprocess.run(
        command(script, tmp_path),
        env={**os.environ, "KERAS_INITX_QUICK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.iterdir()]
