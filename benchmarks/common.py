"""What the benchmarks share: fresh processes, and what they ran on."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
BACKENDS = ("jax", "tensorflow", "torch")


def fresh(file: str, backend: str, measurement: str, *arguments: Any) -> Any:
    """One measurement of a benchmark in a fresh process."""
    ran = subprocess.run(
        [
            *(sys.executable, file, "--backend", backend),
            *("--measure", measurement, "--arguments", json.dumps(arguments)),
        ],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in ("keras", "numpy", "jax", "tensorflow-cpu", "torch", "lsuv"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
