"""Measures `reinitialize` beside building the same network once more.

    python benchmarks/reinitialize.py --backend torch

prints a table of ratios and writes `results/reinitialize-torch.json` beside this file:
ResNet50 and a transformer are built and drawn again in turn, in one fresh process each.
The first build and the first call of a process, which compile and import, stand apart.
"""

import os
import statistics
from typing import Any

from common import fresh, run, timed, versions


def resnet50(quick: bool) -> Any:
    """26 million parameters in 320 variables."""
    import keras

    size = 32 if quick else 224
    return keras.applications.ResNet50(weights=None, input_shape=(size, size, 3))


def transformer(quick: bool) -> Any:
    """Twelve layers of a transformer: 85 million parameters in 192 variables."""
    import keras

    layers, width = keras.layers, 16 if quick else 768
    inputs = x = keras.Input((None, width))
    for _ in range(12):
        h = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(8, width // 8)(h, h)
        h = layers.Dense(4 * width, "gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(width)(h)
    return keras.Model(inputs, x)


MODELS = {"ResNet50": resnet50, "transformer": transformer}


def measure_model(name: str, quick: bool) -> dict[str, list[float]]:
    """The seconds of each, in turn."""
    import keras_initx

    build = MODELS[name]
    made: list[Any] = []
    first = timed(lambda: made.append(build(quick)))
    model, rules = made[0], {"*/kernel": "glorot_uniform"}
    functions = {
        "build": lambda: build(quick),
        "reinitialize": lambda: keras_initx.reinitialize(model),
        "by a rule": lambda: keras_initx.reinitialize(model, rules),
        "like torch": lambda: keras_initx.reinitialize(model, like="torch"),
    }
    times: dict[str, list[float]] = {what: [] for what in functions}
    for _ in range(2 if quick else 10):
        for what, function in functions.items():
            times[what].append(timed(function))
    return {"first build": [first], **times}


MEASUREMENTS = {"model": measure_model}


def measure(backend: str, quick: bool) -> dict[str, Any]:
    """All measurements of one backend, or fewer to see that they run."""
    return {
        "backend": backend,
        "versions": versions(),
        "cores": os.cpu_count(),
        "models": {
            name: fresh(__file__, backend, "model", name, quick) for name in MODELS
        },
    }


def table(results: dict[str, Any]) -> str:
    """The results in Markdown: medians of all rounds but the first."""
    lines = [
        "| | build, s | `reinitialize` | by a rule | like torch | first calls |",
        "|---|---|---|---|---|---|",
    ]
    for name, times in results["models"].items():
        build = statistics.median(times["build"][1:])
        ratios = [
            statistics.median(
                one / other
                for one, other in zip(times[what][1:], times["build"][1:], strict=True)
            )
            for what in ("reinitialize", "by a rule", "like torch")
        ]
        ratios.append(times["reinitialize"][0] / times["first build"][0])
        cells = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"| {name} | {build:.3f} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(__file__, __doc__ or "", MEASUREMENTS, measure, table)
