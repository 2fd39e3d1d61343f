"""Measures the orthogonal initializers against their peers, on one backend.

    python benchmarks/initializers.py --backend jax

prints a table of ratios, and writes `results/initializers-jax.json` and `.png` beside
this file. A ratio is the time of the peer over ours: above 1 we are faster. Everything
is measured in one run. What is called cold runs in a process of its own, because what a
user waits for is the first call; imports are not counted.
"""

import contextlib
import functools
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

SQUARES = [(n, n) for n in (64, 128, 256, 512, 1024, 2048)]
WARM = [*SQUARES, (4608, 512), (512, 4608), (768, 3072)]
DELTA = [(3, 3, n, n) for n in (64, 256, 512)]
FULL = [(3, 3, n, n) for n in (64, 256)]
GATES = (64, 256)
SPARSE = (4096, 4096)
LARGE = (25088, 4096)
ERRORS = [(64, 64), (512, 512), (2048, 2048), (4096, 4096), (4096, 512), (512, 4096)]


# In a process of its own: each function prints one JSON value.


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """The median time of a call, after two calls that do not count."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        common.finish(function())
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def repeats_for(shape: tuple[int, ...]) -> int:
    """Small kernels are measured more often."""
    return 101 if math.prod(shape) <= 2**16 else 9


def peers(backend: str, is_delta: bool) -> dict[str, Callable[[tuple[int, ...]], Any]]:
    """What draws such a kernel elsewhere, by the name of the function."""
    import keras

    found = {}
    if not is_delta:
        found["keras.initializers.Orthogonal"] = keras.initializers.Orthogonal(seed=1)
    if backend == "torch" and not is_delta:
        import torch

        found["torch.nn.init.orthogonal_"] = lambda shape: torch.nn.init.orthogonal_(
            torch.empty(shape)
        )
    if backend == "jax":
        import jax

        key = jax.random.key(1)
        name = "delta_orthogonal" if is_delta else "orthogonal"
        draw = getattr(jax.nn.initializers, name)()
        found[f"jax.nn.initializers.{name}"] = lambda shape: draw(key, shape)
    return found


def measure_warm(backend: str, quick: bool) -> list[dict[str, Any]]:
    """Repeated calls, and the time of the matrix products that any method needs."""
    import numpy as np

    import keras_initx

    square = np.ones((2048, 2048), "float32")
    rate = 2 * 2048**3 / seconds(lambda: square @ square, 9)
    found = []
    for shapes, ours, is_delta in (
        (WARM, keras_initx.HaarOrthogonal(seed=1), False),
        (DELTA, keras_initx.OrthogonalDelta(seed=1), True),
        (FULL, keras_initx.ConvolutionOrthogonal(seed=1), True),
        ([GATES], keras_initx.GateOrthogonal(seed=1), False),
    ):
        for shape in shapes[:1] if quick else shapes:
            k, n = sorted(shape[-2:])
            products = {"products": (2 * n * k * k - 2 / 3 * k**3) / rate}
            contenders = {type(ours).__name__: ours}
            if shapes is not FULL:
                contenders.update(peers(backend, is_delta))
            repeats = 1 if quick else repeats_for(shape)
            times = {
                name: seconds(functools.partial(draw, shape), repeats)
                for name, draw in contenders.items()
            }
            found.append({"shape": shape, "seconds": products | times})
    found.append(measure_sparse(quick))
    return found


def measure_sparse(quick: bool) -> dict[str, Any]:
    """15 weights for each of many units, against PyTorch where it is installed.

    The zeros of ours take memory when they are read first, so each kernel is read.
    """
    import numpy as np

    import keras_initx

    shape = (64, 64) if quick else SPARSE
    contenders = {"Sparse": keras_initx.Sparse(seed=1)}
    with contextlib.suppress(ImportError):
        import torch

        share = 1 - 15 / shape[0]
        contenders["torch.nn.init.sparse_"] = lambda shape: torch.nn.init.sparse_(
            torch.empty(shape), share
        )
    times = {
        name: seconds(
            lambda draw=draw: np.asarray(draw(shape)).sum(), 1 if quick else 9
        )
        for name, draw in contenders.items()
    }
    return {"shape": shape, "seconds": {"products": math.nan, **times}}


def measure_cold(shapes: list[list[int]], initializer: str) -> dict[str, float]:
    """A variable for each shape, as a layer makes it, and the peak of the memory."""
    import resource

    import keras

    import keras_initx  # noqa: F401

    common.finish(keras.ops.ones(1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    variables = [keras.Variable(initializer, shape=shape) for shape in shapes]
    for variable in variables:
        common.finish(variable.value)
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": taken, "bytes": peak * 1024}


def measure_errors(quick: bool) -> list[dict[str, Any]]:
    """The largest entry of Q'Q - I, in float64."""
    import keras
    import numpy as np

    import keras_initx

    found = []
    for shape in ERRORS[:1] if quick else ERRORS:
        kernel = keras_initx.HaarOrthogonal(seed=1)(shape)
        q = np.asarray(keras.ops.convert_to_numpy(kernel)).astype("float64")
        q = q if shape[0] >= shape[1] else q.T
        error = float(np.abs(q.T @ q - np.eye(q.shape[1])).max())
        found.append({"shape": shape, "error": error})
    return found


def list_kernels() -> dict[str, list[list[int]]]:
    """The shapes of the kernels of two networks, as Keras builds them."""
    import keras

    kernels = {}
    for name in ("ResNet50", "VGG19"):
        model = getattr(keras.applications, name)(weights=None)
        shapes = [list(w.shape) for w in model.weights if w.path.endswith("kernel")]
        kernels[name] = shapes
        keras.utils.clear_session()
    kernels["VGG19 convolutions"] = [s for s in kernels["VGG19"] if len(s) == 4]
    return kernels


MEASUREMENTS = {
    "warm": measure_warm,
    "cold": measure_cold,
    "errors": measure_errors,
    "kernels": list_kernels,
}


# The run


def fresh(backend: str, measurement: str, *arguments: Any) -> Any:
    """One measurement in a fresh process."""
    return common.fresh(__file__, backend, measurement, *arguments)


def cold_cases(backend: str, quick: bool) -> list[tuple[str, Any, Any, int]]:
    """What, the shapes, the initializers with ours first, and how often."""
    delta = ["orthogonal_delta", "orthogonal", "glorot_uniform"]
    if quick:
        return [("two kernels", [(3, 3, 4, 4), (16, 16)], delta, 1)]
    kernels = fresh(backend, "kernels")
    haar = ["haar_orthogonal", "orthogonal", "glorot_uniform"]
    return [
        ("64 x 64", [(64, 64)], haar[:2], 3),
        ("128 x 128", [(128, 128)], haar[:2], 3),
        ("ResNet50, 54 kernels", kernels["ResNet50"], delta, 5),
        ("VGG19, 16 convolutions", kernels["VGG19 convolutions"], delta, 3),
        ("VGG19, 19 kernels", kernels["VGG19"], haar, 1),
        ("25088 x 4096", [LARGE], haar[:2], 1),
    ]


def measure(backend: str, quick: bool) -> dict[str, Any]:
    """All measurements of one backend, or a few to see that they run."""
    results: dict[str, Any] = {
        "backend": backend,
        "versions": common.versions(),
        "cores": os.cpu_count(),
        "warm": fresh(backend, "warm", backend, quick),
        "errors": fresh(backend, "errors", quick),
        "cold": [],
    }
    for case, shapes, initializers, repeats in cold_cases(backend, quick):
        runs = {
            name: [fresh(backend, "cold", shapes, name) for _ in range(repeats)]
            for name in initializers
        }
        size = sum(4 * math.prod(shape) for shape in shapes)
        results["cold"].append(
            {
                "case": case,
                "seconds": {
                    name: statistics.median(run["seconds"] for run in found)
                    for name, found in runs.items()
                },
                "peak_memory": {
                    name: statistics.median(run["bytes"] for run in found) / size
                    for name, found in runs.items()
                },
            }
        )
    return results


def rows_of(results: dict[str, Any]) -> list[tuple[str, str, float, float, float]]:
    """What, the peer, its time, ours, and the ratio."""
    rows = []
    for found in results["warm"]:
        times = dict(found["seconds"])
        products = times.pop("products")
        (ours, our_time), *others = times.items()
        label = f"warm, {ours} {tuple(found['shape'])}"
        if ours == "HaarOrthogonal":
            others.append(("the matrix products alone", products))
        rows += [(label, peer, t, our_time, t / our_time) for peer, t in others]
        if not others:
            rows.append((label, "-", math.nan, our_time, math.nan))
    for found in results["cold"]:
        (ours, our_time), *others = found["seconds"].items()
        label = f"cold, {found['case']}, {ours}"
        rows += [(label, peer, t, our_time, t / our_time) for peer, t in others]
    return rows


def milliseconds(time: float) -> str:
    """A time in seconds, to about three digits."""
    if math.isnan(time):
        return "-"
    return f"{time * 1e3:,.0f}" if time >= 0.1 else f"{time * 1e3:.3g}"


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = ["| what | peer | peer, ms | ours, ms | ratio |", "|---|---|---|---|---|"]
    for label, peer, theirs, ours, ratio in rows_of(results):
        shown = "-" if math.isnan(ratio) else f"{ratio:.2f}"
        times = f"{milliseconds(theirs)} | {milliseconds(ours)}"
        lines.append(f"| {label} | {peer} | {times} | {shown} |")
    lines += ["", "| kernel | error max abs(Q'Q - I) |", "|---|---|"]
    for found in results["errors"]:
        lines.append(f"| {tuple(found['shape'])} | {found['error']:.1e} |")
    lines += ["", "| cold | initializer | peak memory / kernels |", "|---|---|---|"]
    for found in results["cold"]:
        for name, memory in found["peak_memory"].items():
            lines.append(f"| {found['case']} | {name} | {memory:.1f} |")
    return "\n".join(lines)


def plot(results: dict[str, Any], path: Path) -> None:
    """The ratios as bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [
        (f"{label}\nagainst {peer}", ratio)
        for label, peer, _, _, ratio in reversed(rows_of(results))
        if not math.isnan(ratio) and not peer.startswith("the matrix products")
    ]
    labels, ratios = zip(*rows, strict=True)
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(rows) + 1), layout="constrained")
    bars = axes.barh(labels, ratios, color="tab:blue")
    axes.bar_label(bars, fmt="%.2g", padding=3, fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.tick_params(axis="y", labelsize=6)
    axes.set_xlabel("time of the peer / our time (right of the line: we are faster)")
    axes.set_title(f"keras_initx on {results['backend']}, {results['cores']} cores")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Runs from the command line."""
    options = common.command_line(__doc__, MEASUREMENTS)
    if options is None:
        return
    results = measure(options.backend, options.quick)
    file = options.output / f"initializers-{options.backend}"
    file.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    plot(results, file.with_suffix(".png"))
    print(table(results))


if __name__ == "__main__":
    main()
