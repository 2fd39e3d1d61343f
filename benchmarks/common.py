"""What the benchmarks share: fresh processes, batches, networks, passes, times."""

import argparse
import contextlib
import importlib.metadata
import inspect
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
EACH_NETWORK = {"action": "store_true", "help": "each network"}
BACKENDS = ("jax", "tensorflow", "torch")
PACKAGES = ("keras", "numpy", "jax", "tensorflow-cpu", "torch", "lsuv", "keras-hub")
# NASNetMobile does not build on the PyTorch backend of Keras 3.15.
UNBUILDABLE = {("torch", "NASNetMobile")}


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
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def batch_of(shape: tuple[int, ...]) -> Any:
    """The same numbers in each process."""
    import numpy as np

    return np.random.default_rng(0).normal(size=shape).astype("float32")


def no_gradients() -> Any:
    """A plain forward pass keeps nothing for gradients, as LSUV does."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return torch.no_grad()
    return contextlib.nullcontext()


def plain(model: Any, x: Any, training: bool = False) -> Any:
    """One forward pass."""
    with no_gradients():
        output = model(x, training=training)
    finish(output)
    return output


def finish(value: Any) -> None:
    """Waits for a tensor: JAX computes in the background."""
    if hasattr(value, "block_until_ready"):
        value.block_until_ready()


def timed(function: Any) -> float:
    """The seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def application_names() -> list[str]:
    """Every network of `keras.applications`."""
    import keras

    return [
        name
        for name, function in vars(keras.applications).items()
        if inspect.isfunction(function)
        and "weights" in inspect.signature(function).parameters
    ]


def application(name: str) -> tuple[Any, int]:
    """A network of `keras.applications`, and the size of the least images it takes."""
    import keras

    build = getattr(keras.applications, name)
    for size in (32, 71, 75, 96, 128, 224):
        with contextlib.suppress(ValueError):
            model = build(weights=None, input_shape=(size, size, 3), classes=10)
            return model, size
    raise ValueError(f"{name} takes none of the sizes")


def each_application(
    file: str, backend: str, line: Callable[[dict[str, Any]], str]
) -> list[dict[str, Any]]:
    """The measurement `application` of every network, each in a process of its own.

    Prints a `line` for each.
    """
    found = []
    for name in fresh(file, backend, "names"):
        if (backend, name) not in UNBUILDABLE:
            row = fresh(file, backend, "application", name)
            found.append(row)
            print(f"{name:<20} {row['size']:>4} px  {line(row)}", flush=True)
    return found


def command_line(
    description: str,
    measurements: dict[str, Callable[..., Any]],
    **own: dict[str, Any],
) -> argparse.Namespace | None:
    """The options of a benchmark; None in a process that made one measurement.

    Args:
        description: str. What the benchmark measures.
        measurements: dict. The measurements by their names.
        own: What `ArgumentParser.add_argument` takes, by the names of further options.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    for name, arguments in own.items():
        parser.add_argument(f"--{name}", **arguments)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--measure", choices=list(measurements), help="one measurement")
    parser.add_argument("--arguments", type=json.loads, default=[], help="its own")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measurements[options.measure](*options.arguments)))
        return None
    options.output.mkdir(parents=True, exist_ok=True)
    return options


def run(
    file: str,
    description: str,
    measurements: dict[str, Callable[..., Any]],
    measure: Callable[[str, bool], dict[str, Any]],
    table: Callable[[dict[str, Any]], str],
    line: Callable[[dict[str, Any]], str] | None = None,
) -> None:
    """A benchmark from the command line: prints, and writes what was measured.

    Args:
        file: str. The benchmark, of which `fresh` processes run one measurement each.
        description: str. What it measures.
        measurements: dict. The measurements by their names.
        measure: Takes the backend and whether only to see that it runs; returns all.
        table: What is printed of that.
        line: What is printed of one network of `keras.applications`. Defaults to
            `None`, for a benchmark that does not measure these.
    """
    own = {} if line is None else {"applications": EACH_NETWORK}
    options = command_line(description, measurements, **own)
    if options is None:
        return
    name = Path(file).stem
    if line is not None and options.applications:
        results: Any = each_application(file, options.backend, line)
        name += "-applications"
    else:
        results = measure(options.backend, options.quick)
        print(table(results))
    path = options.output / f"{name}-{options.backend}.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
