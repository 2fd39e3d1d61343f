"""Measures the constraint `orthonormal` beside training steps of an LSTM.

    python benchmarks/constraints.py --backend torch

prints a table of ratios and writes `results/constraints-torch.json` beside this file:
steps of `fit` of an LSTM of 512 units on sequences of 100 steps, with the constraint on
its recurrent kernel and without, in turn, compiled as Keras does by default. The
optimizer is Adam at its default rate.
"""

import os
import statistics
from typing import Any

from common import batch_of, fresh, run, timed, versions

# Steps of one call of `fit`, whose own time is shared by them.
STEPS = 4


def measure_lstm(batch_size: int, quick: bool) -> dict[str, list[float]]:
    """The seconds of a step, for both."""
    import keras

    import keras_initx  # noqa: F401  (the constraint is a string)

    units, length, rounds = (16, 4, 1) if quick else (512, 100, 5)
    x = batch_of((batch_size * STEPS, length, 64))

    def training(constraint: str | None) -> Any:
        model = keras.Sequential(
            [
                keras.Input((length, 64)),
                keras.layers.LSTM(
                    units,
                    recurrent_initializer="gate_orthogonal",
                    recurrent_constraint=constraint,
                ),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        return lambda: model.fit(x, x[:, 0, :1], batch_size=batch_size, verbose=0)

    functions = {"without": training(None), "with": training("orthonormal")}
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            times[name].append(timed(function) / STEPS)
    return {name: found[1:] for name, found in times.items()}


MEASUREMENTS = {"lstm": measure_lstm}
BATCH_SIZES = (32, 64)


def measure(backend: str, quick: bool) -> dict[str, Any]:
    """All measurements of one backend, or fewer to see that they run."""
    return {
        "backend": backend,
        "versions": versions(),
        "cores": os.cpu_count(),
        "lstm": {
            batch_size: fresh(__file__, backend, "lstm", batch_size, quick)
            for batch_size in BATCH_SIZES[: 1 if quick else None]
        },
    }


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = [
        "| batch | step, s | with the constraint, s | ratio |",
        "|---|---|---|---|",
    ]
    for batch_size, times in results["lstm"].items():
        plain, constrained = (
            statistics.median(times[name]) for name in ("without", "with")
        )
        ratio = statistics.median(
            one / other
            for one, other in zip(times["with"], times["without"], strict=True)
        )
        lines.append(
            f"| {batch_size} | {plain:.3f} | {constrained:.3f} | {ratio:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run(__file__, __doc__ or "", MEASUREMENTS, measure, table)
