"""A report as plain values: a dict, or the columns of a table."""

import dataclasses
import math
from typing import Any

from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen


def dict_of(seen: Seen, verdicts: list[Verdict]) -> dict[str, Any]:
    """Plain Python values, for strict JSON; what is not finite is a string."""
    expected, update = seen.expected_loss, seen.first_update
    content = {
        "training": seen.training,
        "has_signal": seen.has_signal,
        "loss": seen.loss,
        "first_update": None if update is None else update.to_dict(),
        "expected_loss": None if expected is None else expected.value,
        "trainability": dataclasses.asdict(seen.trainability),
        "inputs": [dataclasses.asdict(row) for row in seen.inputs],
        "targets": [dataclasses.asdict(row) for row in seen.targets],
        "layers": [dataclasses.asdict(row) for row in seen.rows],
        "attention": [dataclasses.asdict(each) for each in seen.attention],
        "embeddings": [dataclasses.asdict(each) for each in seen.embeddings],
        "jacobian": None if seen.jacobian is None else seen.jacobian.to_dict(),
        "verdicts": [verdict.to_dict() for verdict in verdicts],
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def columns_of(row: LayerRow) -> dict[str, Any]:
    """One line of a table of numbers: a layer, and its main kernel."""
    line = {**dataclasses.asdict(row), "gradient": row.gradient}
    del line["kernels"], line["features"]
    # The ratio of the kernel has its column; both gradients are there.
    over_time = line.pop("over_time") or {}
    line |= {k: v for k, v in over_time.items() if k != "gradient_ratio"}
    kernel = row.kernel or KernelRow("", ())
    line |= {
        "fan_in": row.fan_in,
        "fan_out": row.fan_out,
        "gradient_ratio": row.gradient_ratio,
        "update_ratio": kernel.update_ratio,
        "largest_singular_value": kernel.largest_singular_value,
        "smallest_singular_value": kernel.smallest_singular_value,
    }
    return line


def _plain(value: Any) -> Any:
    """The same, with strings for the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
