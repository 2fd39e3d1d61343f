"""Measures LSUV against a plain forward pass and against the PyPI package `lsuv`.

    python benchmarks/lsuv.py --backend torch

prints tables of ratios and writes `results/lsuv-torch.json` beside this file. The peer
runs on the PyTorch backend only, on the same network, weights and batch. Everything is
measured in one run; what is called cold is the first call in a process of its own.
`--applications` instead scales every network of `keras.applications`, and measures each
pre-activation again in a second pass.
"""

import functools
import importlib
import math
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from common import (
    application,
    application_names,
    batch_of,
    fresh,
    no_gradients,
    plain,
    run,
    timed,
    versions,
)

SIZE, BATCH = 64, 32
DEPTHS = (10, 100, 1000)


def vgg19(size: int = SIZE) -> Any:
    """The network of the first table."""
    import keras

    return keras.applications.VGG19(weights=None, input_shape=(size, size, 3))


# In a process of its own: each function returns one JSON value.


def measure_warm(quick: bool) -> dict[str, list[float]]:
    """Plain passes and LSUV in turn, each from the same weights."""
    import keras_initx

    size, rounds = (32, 1) if quick else (SIZE, 12)
    model, x = vgg19(size), batch_of((BATCH, size, size, 3))
    weights = model.get_weights()
    times: dict[str, list[float]] = {"plain": [], "lsuv": []}
    for _ in range(rounds + 1):
        model.set_weights(weights)
        times["plain"].append(timed(lambda: plain(model, x)))
        times["lsuv"].append(
            timed(lambda: keras_initx.schemes.lsuv(model, x, initializer=None))
        )
    return {name: found[1:] for name, found in times.items()}


def measure_cold(what: str, quick: bool) -> dict[str, float]:
    """The first call, and how far the memory grows in it."""
    import resource

    import keras_initx

    size = 32 if quick else SIZE
    model, x = vgg19(size), batch_of((BATCH, size, size, 3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if what == "plain":
        seconds = timed(lambda: plain(model, x))
    else:
        seconds = timed(
            lambda: keras_initx.schemes.lsuv(model, x, initializer=None, tolerance=1e-6)
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    kernels = sum(
        4 * math.prod(w.shape) for w in model.weights if w.path.endswith("kernel")
    )
    return {"seconds": seconds, "bytes": peak * 1024, "kernels": kernels}


def perceptron(depth: int, width: int = 64) -> Any:
    """`depth` dense layers with tanh."""
    import keras

    sys.setrecursionlimit(20000)
    layers = [keras.layers.Dense(width, activation="tanh") for _ in range(depth)]
    return keras.Sequential([keras.Input((width,)), *layers])


def measure_depth(depth: int) -> dict[str, float]:
    """A warm call, by layer."""
    import keras_initx

    use_one_thread()
    model, x = perceptron(depth), batch_of((64, 64))
    weights = model.get_weights()
    times = []
    for _ in range(5):
        model.set_weights(weights)
        times.append(
            timed(
                lambda: keras_initx.schemes.lsuv(model, x, initializer=None, verbose=0)
            )
        )
    return {"depth": depth, "seconds": statistics.median(times[1:])}


def measure_peer_depth(depth: int) -> dict[str, float]:
    """The peer on the same network."""
    import torch

    use_one_thread()
    model = perceptron(depth)
    modules = []
    for layer in model.layers:
        modules += [linear_of(layer), torch.nn.Tanh()]
    network = torch.nn.Sequential(*modules)
    x = torch.tensor(batch_of((64, 64)))
    seconds = timed(
        lambda: peer().lsuv_with_singlebatch(
            network, x, do_orthonorm=False, verbose=False
        )
    )
    return {"depth": depth, "seconds": seconds}


def use_one_thread() -> None:
    """Layers this small gain nothing by PyTorch's threads, but wait for them."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)


def peer() -> Any:
    """The package `lsuv`, whose name this file has too."""
    here = str(Path(__file__).parent)
    sys.path[:] = [path for path in sys.path if path not in ("", here)]
    return importlib.import_module("lsuv")


def linear_of(layer: Any) -> Any:
    """A dense layer as a module of PyTorch, with the same weights."""
    import torch

    module = torch.nn.Linear(*layer.kernel.shape)
    with torch.no_grad():
        module.weight.copy_(layer.kernel.value.T)
        module.bias.copy_(layer.bias.value)
    return module


def vgg19_of(model: Any) -> Any:
    """The Keras VGG19 as a module of PyTorch, with the same weights."""
    import keras
    import torch

    network, shape = [], None
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            filters, inputs = layer.filters, layer.kernel.shape[-2]
            module = torch.nn.Conv2d(inputs, filters, 3, padding=1)
            with torch.no_grad():
                module.weight.copy_(layer.kernel.value.permute(3, 2, 0, 1))
                module.bias.copy_(layer.bias.value)
            network += [module, torch.nn.ReLU()]
        elif isinstance(layer, keras.layers.MaxPooling2D):
            network.append(torch.nn.MaxPool2d(2))
        elif isinstance(layer, keras.layers.Flatten):
            shape = layer.input.shape[1:]
            network.append(torch.nn.Flatten())
        elif isinstance(layer, keras.layers.Dense):
            module = linear_of(layer)
            if shape is not None:
                # Keras flattens with the channels last, PyTorch with them first.
                with torch.no_grad():
                    weight = module.weight.reshape(-1, *shape).permute(0, 3, 1, 2)
                    module.weight.copy_(weight.flatten(1))
                shape = None
            network.append(module)
            if layer.name != "predictions":
                network.append(torch.nn.ReLU())
    return torch.nn.Sequential(*network)


def measure_peer(quick: bool) -> dict[str, list[float]]:
    """The peer and ours on VGG19: their times, as they are shipped.

    Also how often the peer calls its network, and what a call takes: it is PyTorch's
    own, with the channels first, and faster than the same in Keras.
    """
    import keras_initx

    size = 32 if quick else SIZE
    model, x = vgg19(size), batch_of((BATCH, size, size, 3))
    weights = model.get_weights()
    found: dict[str, list[float]] = {"peer": [], "lsuv": [], "calls": [], "call": []}
    for _ in range(1 if quick else 5):
        model.set_weights(weights)
        network, images = vgg19_of(model), images_of(x)
        with no_gradients():
            found["call"].append(timed(functools.partial(network, images)))
        calls: list[int] = []
        network.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        initialize = functools.partial(
            peer().lsuv_with_singlebatch,
            *(network, images),
            do_orthonorm=False,
            verbose=False,
        )
        found["peer"].append(timed(initialize))
        found["calls"].append(len(calls))
        found["lsuv"].append(
            timed(lambda: keras_initx.schemes.lsuv(model, x, initializer=None))
        )
    return found


def measure_difference(quick: bool) -> float:
    """How far the kernels of the peer are from ours, both with a small tolerance."""
    import torch

    import keras_initx

    size = 32 if quick else SIZE
    model, x = vgg19(size), batch_of((BATCH, size, size, 3))
    theirs = vgg19_of(model)
    peer().lsuv_with_singlebatch(
        theirs, images_of(x), do_orthonorm=False, verbose=False, std_tol=1e-5
    )
    keras_initx.schemes.lsuv(model, x, initializer=None, tolerance=1e-6)
    ours = vgg19_of(model)
    return max(
        (torch.max(abs(their - our)) / torch.max(abs(our))).item()
        for their, our in zip(theirs.parameters(), ours.parameters(), strict=True)
        if their.ndim > 1
    )


def images_of(x: Any) -> Any:
    """Images in the order of PyTorch."""
    import torch

    return torch.tensor(x).permute(0, 3, 1, 2)


def measure_application(name: str) -> dict[str, Any]:
    """One network: how far its pre-activations are from the target, measured again."""
    import keras
    import numpy as np

    import keras_initx
    from keras_initx._model.trace import Observer, trace

    class Measure(Observer):
        def __init__(self) -> None:
            self.stds: dict[str, float] = {}

        def pre_activation(self, call: Any, tensor: Any) -> Any:
            if call.number == 1 and call.layer.path in scaled:
                values = keras.ops.convert_to_numpy(tensor).astype("float64")
                self.stds[call.layer.path] = float(np.std(values))
            return tensor

    model, size = application(name)
    x = batch_of((4, size, size, 3))
    report = keras_initx.schemes.lsuv(model, x, verbose=0)
    scaled = {row.path for row in report.scaled}
    measure = Measure()
    trace(model, x, measure)
    skipped = sorted({row.note for row in report.skipped})
    return {
        "name": name,
        "size": size,
        "layers": len(report),
        "scaled": len(scaled),
        "error": max(abs(std - 1) for std in measure.stds.values()),
        "measured": len(measure.stds),
        "skipped": skipped,
    }


MEASUREMENTS = {
    "warm": measure_warm,
    "cold": measure_cold,
    "depth": measure_depth,
    "peer depth": measure_peer_depth,
    "peer": measure_peer,
    "difference": measure_difference,
    "names": application_names,
    "application": measure_application,
}


# The run


def measure(backend: str, quick: bool) -> dict[str, Any]:
    """All measurements of one backend, or a few to see that they run."""

    def of(measurement: str, *arguments: Any) -> Any:
        return fresh(__file__, backend, measurement, *arguments)

    repeats = 1 if quick else 3
    depths = DEPTHS[:1] if quick else DEPTHS
    results = {
        "backend": backend,
        "versions": versions(),
        "cores": os.cpu_count(),
        "warm": [of("warm", quick) for _ in range(repeats)],
        "cold": {
            what: [of("cold", what, quick) for _ in range(repeats)]
            for what in ("plain", "lsuv")
        },
        "depth": [of("depth", depth) for depth in depths],
    }
    if backend == "torch" and not quick:
        results["peer"] = of("peer", quick)
        results["difference"] = of("difference", quick)
        results["peer depth"] = [of("peer depth", depth) for depth in depths]
    return results


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""

    def median(key: str, what: str, of: str) -> float:
        return statistics.median(found[of] for found in results[key][what])

    warm = {
        name: statistics.median(time for run in results["warm"] for time in run[name])
        for name in ("plain", "lsuv")
    }
    cold = {what: median("cold", what, "seconds") for what in ("plain", "lsuv")}
    lines = ["| VGG19 | plain pass, s | LSUV, s | passes |", "|---|---|---|---|"]
    for label, found in (("warm", warm), ("cold", cold)):
        ratio = found["lsuv"] / found["plain"]
        lines.append(
            f"| {label} | {found['plain']:.3f} | {found['lsuv']:.3f} | {ratio:.2f} |"
        )
    extra = median("cold", "lsuv", "bytes") - median("cold", "plain", "bytes")
    kernels = median("cold", "lsuv", "kernels")
    lines += ["", f"Memory beyond a plain pass / kernels: {extra / kernels:.2f}"]
    if "peer" in results:
        peer, ours, calls, call = (
            statistics.median(results["peer"][k])
            for k in ("peer", "lsuv", "calls", "call")
        )
        lines += [
            "",
            f"PyPI lsuv: {peer:.1f} s, ours {ours:.2f} s, {peer / ours:.1f} times "
            f"faster; kernels differ by {results['difference']:.1e} at most",
            f"The peer calls its network {calls:.0f} times, {call:.2f} s each.",
        ]
    lines += ["", "| layers | ms a layer | peer, ms a layer |", "|---|---|---|"]
    if "peer depth" not in results:
        lines[-2:] = ["| layers | ms a layer |", "|---|---|"]
    peers = results.get("peer depth", [None] * len(results["depth"]))
    for ours, peer in zip(results["depth"], peers, strict=True):
        times = [1e3 * run["seconds"] / run["depth"] for run in (ours, peer) if run]
        shown = " | ".join(f"{time:.2f}" for time in times)
        lines.append(f"| {ours['depth']} | {shown} |")
    return "\n".join(lines)


def line(row: dict[str, Any]) -> str:
    """What is printed of one network."""
    return (
        f"{row['scaled']:>4} of {row['layers']:>4} layers  error {row['error']:.1e}  "
        f"{'; '.join(row['skipped'])}"
    )


if __name__ == "__main__":
    run(__file__, __doc__, MEASUREMENTS, measure, table, line)
