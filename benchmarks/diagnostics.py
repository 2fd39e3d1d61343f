"""Measures `signal_report` against plain passes and training steps.

    python benchmarks/diagnostics.py --backend torch

prints a table of ratios and writes `results/diagnostics-torch.json` beside this file:
a report without gradients against an eager forward pass as in training, and one with
gradients against an eager training step, on ResNet50, after a first call of each.
`--applications` instead makes a report with gradients of every network of
`keras.applications`, and sees that the network is bit for bit what it was.
"""

import os
import statistics
from typing import Any

from common import (
    application,
    application_names,
    batch_of,
    fresh,
    plain,
    run,
    timed,
    versions,
)


def measure_resnet50(quick: bool) -> dict[str, list[float]]:
    """Passes, training steps and reports in turn."""
    import keras
    import numpy as np

    from keras_initx.diagnostics import signal_report

    size, batch, rounds = (32, 2, 1) if quick else (224, 8, 7)
    model = keras.applications.ResNet50(
        weights=None, input_shape=(size, size, 3), classifier_activation=None
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    x, y = batch_of((batch, size, size, 3)), np.arange(batch)
    tensor = keras.ops.convert_to_tensor(x)
    functions = {
        "pass": lambda: plain(model, tensor, training=True),
        "report": lambda: signal_report(model, x),
        "step": lambda: model.train_on_batch(x, y),
        "report with gradients": lambda: signal_report(model, x, y),
    }
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            times[name].append(timed(function))
    return {name: found[1:] for name, found in times.items()}


def measure_application(name: str) -> dict[str, Any]:
    """One network: its verdicts, and whether the report changed anything."""
    import numpy as np

    from keras_initx.diagnostics import signal_report

    model, size = application(name)
    x, y = batch_of((4, size, size, 3)), np.arange(4)
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = [np.asarray(weight).tobytes() for weight in model.get_weights()]
    report = signal_report(model, x, y)
    after = [np.asarray(weight).tobytes() for weight in model.get_weights()]
    return {
        "name": name,
        "size": size,
        "layers": len(report),
        "kernels": sum(row.gradient is not None for row in report),
        "is_unchanged": before == after,
        "verdicts": [verdict.kind for verdict in report.verdicts],
    }


def line(row: dict[str, Any]) -> str:
    """What is printed of one network."""
    changed = "" if row["is_unchanged"] else "CHANGED  "
    return (
        f"{row['layers']:>4} layers  {row['kernels']:>4} gradients  {changed}"
        f"{'; '.join(row['verdicts'])}"
    )


MEASUREMENTS = {
    "resnet50": measure_resnet50,
    "names": application_names,
    "application": measure_application,
}


def measure(backend: str, quick: bool) -> dict[str, Any]:
    """All measurements of one backend, or fewer to see that they run."""
    return {
        "backend": backend,
        "versions": versions(),
        "cores": os.cpu_count(),
        "resnet50": fresh(__file__, backend, "resnet50", quick),
    }


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = ["| ResNet50 | report, s | peer, s | report / peer |", "|---|---|---|---|"]
    pairs = (
        ("without gradients", "report", "pass", "forward pass"),
        ("with gradients", "report with gradients", "step", "training step"),
    )
    for label, ours, peer, what in pairs:
        found, other = (statistics.median(results["resnet50"][n]) for n in (ours, peer))
        lines.append(
            f"| {label}, against a {what} | {found:.3f} | {other:.3f} | "
            f"{found / other:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run(__file__, __doc__, MEASUREMENTS, measure, table, line)
