"""Measures `skip_init` beside what Keras does: building models for a checkpoint.

    python benchmarks/skip_init.py --backend torch

prints a table of ratios and writes `results/skip_init-torch.json` beside this file: the
time to build VGG19 and, where the package `keras-hub` is installed, a GPT-2 of 304
million parameters, and how far the memory of the process grows in it. Each is measured
in a fresh process, in turn. Then all weights are assigned, as from a checkpoint: memory
that `skip_init` did not write to is written to there.
"""

import contextlib
import importlib.util
import os
import statistics
import time
from typing import Any

from common import fresh, peak, run, versions


def vgg19(quick: bool) -> Any:
    """144 million parameters in 38 weights."""
    import keras

    return keras.applications.VGG19(weights=None, include_top=not quick)


def gpt2(quick: bool) -> Any:
    """304 million parameters in 284 weights, at the sizes of GPT-2 medium."""
    import keras_hub

    return keras_hub.models.GPT2Backbone(
        vocabulary_size=50257,
        num_layers=1 if quick else 20,
        num_heads=16,
        hidden_dim=64 if quick else 1024,
        intermediate_dim=4096,
        max_sequence_length=1024,
    )


MODELS = {"VGG19": vgg19, "GPT-2": gpt2}


def measure_build(name: str, what: str, quick: bool) -> dict[str, float]:
    """The build of one model, and what follows until all weights are set."""
    import keras
    import numpy as np

    import keras_initx

    if name == "GPT-2":
        import keras_hub  # noqa: F401  (its import is not a part of the build)
    keras.ops.ones(1)
    skips = what == "skip_init"
    context = keras_initx.skip_init() if skips else contextlib.nullcontext()
    before = peak()
    start = time.perf_counter()
    with context:
        model = MODELS[name](quick)
    built, bytes_built = time.perf_counter() - start, peak() - before
    parameters = model.count_params()
    start = time.perf_counter()
    for weight in model.weights:
        weight.assign(np.ones(weight.shape, "float32"))
    return {
        "parameters": parameters,
        "build": built,
        "build bytes": bytes_built,
        "filled": built + time.perf_counter() - start,
        "filled bytes": peak() - before,
    }


MEASUREMENTS = {"build": measure_build}


def measure(backend: str, quick: bool) -> dict[str, Any]:
    """All measurements of one backend, or fewer to see that they run."""
    names = [
        name
        for name in MODELS
        if name != "GPT-2" or importlib.util.find_spec("keras_hub")
    ]
    return {
        "backend": backend,
        "versions": versions(),
        "cores": os.cpu_count(),
        "models": {name: in_turn(backend, name, quick) for name in names},
    }


def in_turn(backend: str, name: str, quick: bool) -> dict[str, list[Any]]:
    """Both ways to build one model, each time in a process of its own."""
    found: dict[str, list[Any]] = {"keras": [], "skip_init": []}
    for _ in range(1 if quick else 3):
        for what, runs in found.items():
            runs.append(fresh(__file__, backend, "build", name, what, quick))
    return found


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = [
        "| | Keras | `skip_init` | ratio |",
        "|---|---|---|---|",
    ]
    units = {"build": (1.0, "s"), "build bytes": (2**20, "MiB")}
    units |= {"filled": (1.0, "s"), "filled bytes": (2**20, "MiB")}
    for name, found in results["models"].items():
        for key, (unit, text) in units.items():
            keras, ours = (
                statistics.median(run[key] for run in found[what]) / unit
                for what in ("keras", "skip_init")
            )
            lines.append(
                f"| {name}, {key.removesuffix(' bytes')}, {text} "
                f"| {keras:.3g} | {ours:.3g} | {ours / keras:.2f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    run(__file__, __doc__ or "", MEASUREMENTS, measure, table)
