"""The lines below the table of a report."""

from collections.abc import Iterable

from keras_initx._report.table import number
from keras_initx.diagnostics._judge.verdict import HEALTHY, Verdict
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._show.report_table import percent

_LEGEND = "z: the pre-activation. mean, std, dead, saturated, cosine: of the output."
_WEIGHTS_LEGEND = (
    "kernel std: the standard deviation of the weights. law std: that with which the "
    "initializer draws them. right std: that by the layer's own fans."
)
_UPDATE_LEGEND = "update: of the change of a kernel by the first update to the kernel."
_GRADIENT_LEGEND = (
    "kernel grad, output grad: norms of the gradient of the loss. ratio: of the "
    "kernel's gradient to the kernel."
)


def summary_of(seen: Seen, verdicts: list[Verdict]) -> str:
    """What the columns are, what else was measured, and the verdicts."""
    lines = [_LEGEND if seen.has_signal else _WEIGHTS_LEGEND]
    if seen.loss is not None:
        beside = "" if seen.expected_loss is None else f" ({seen.expected_loss})"
        lines += [_GRADIENT_LEGEND, f"Loss: {number(seen.loss)}{beside}."]
    lines += [_features(row) for row in seen.inputs if row.features]
    lines += map(str, seen.targets)
    if seen.first_update is not None:
        lines += [_UPDATE_LEGEND, str(seen.first_update)]
    lines += [_over_time(row) for row in seen.rows if row.over_time is not None]
    if seen.jacobian is not None:
        lines.append(str(seen.jacobian))
    lines.append("")
    for verdict in verdicts:
        lines += [str(verdict), *links([verdict])]
    return "\n".join(lines)


def links(verdicts: Iterable[Verdict]) -> list[str]:
    """The addresses of the sections on faults, each once and on a line of its own."""
    faults = (verdict for verdict in verdicts if verdict.kind != HEALTHY)
    return [f"  {url}" for url in dict.fromkeys(fault.url for fault in faults)]


def _features(row: LayerRow) -> str:
    """The path of an input, as the start of a sentence, and what its features are."""
    return f"{row.path[0].upper()}{row.path[1:]}: {row.features}"


def _over_time(row: LayerRow) -> str:
    """What a recurrent layer does from its first step to its last one."""
    seen = row.over_time
    if seen is None:
        return ""
    stds = (number(std, 3) for std in (seen.first_std, seen.middle_std, seen.last_std))
    words = [
        f"'{row.path}' over {seen.steps} steps: standard deviation of the state "
        f"{', '.join(stds)} (first, middle, last)"
    ]
    if seen.saturated_gates is not None:
        words.append(f"saturated gates {percent(seen.saturated_gates)}")
    if seen.gradient_ratio is not None:
        words.append(
            f"gradient at the first step {number(seen.gradient_ratio, 3)} times that "
            "at the last"
        )
    return "; ".join(words) + "."
