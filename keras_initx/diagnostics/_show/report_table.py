"""The table of a report: one line for each input, layer and further kernel."""

from keras_initx._report.table import number
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.laws import Law
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen

_HEADS = (
    "layer",
    "type",
    "calls",
    "fan in",
    "fan out",
    "z mean",
    "z std",
    "mean",
    "std",
    "dead",
    "saturated",
    "cosine",
    "kernel grad",
    "ratio",
    "update",
    "output grad",
    "largest sv",
    "smallest sv",
    "note",
)
# Where the model did not run.
_WEIGHTS_HEADS = (
    "layer",
    "type",
    "fan in",
    "fan out",
    "kernel std",
    "law",
    "law std",
    "right std",
    "largest sv",
    "smallest sv",
    "note",
)
_ALWAYS = ("layer", "type", "calls", "mean", "std", "note")


def table_of(seen: Seen, verdicts: list[Verdict]) -> tuple[list[str], list[list[str]]]:
    """The heads of the columns, and the cells; an empty column is left out."""
    lines = []
    for row in (*seen.inputs, *seen.rows):
        notes = [v.title for v in verdicts if v.layer == row.path]
        lines.append(_line(row, "; ".join(filter(None, [*notes, row.note]))))
        lines += [_kernel_line(kernel) for kernel in row.kernels[1:]]
    heads = [
        head
        for head in (_HEADS if seen.has_signal else _WEIGHTS_HEADS)
        if head in _ALWAYS or any(line.get(head, "-") != "-" for line in lines)
    ]
    return heads, [[line.get(head, "") for head in heads] for line in lines]


def percent(share: float | None) -> str:
    """A share in words."""
    return "-" if share is None else f"{100 * share:.3g} %"


def _line(row: LayerRow, note: str) -> dict[str, str]:
    """The cells of a layer, by the heads of their columns."""
    kernel = row.kernel or KernelRow("", ())
    return {
        "layer": row.path,
        "type": row.type,
        "calls": str(row.calls) if row.calls else "",
        "z mean": number(row.pre_activation_mean, 3),
        "z std": number(row.pre_activation_std, 3),
        "mean": number(row.mean, 3),
        "std": number(row.std, 3),
        "dead": percent(row.dead),
        "saturated": percent(row.saturated),
        "cosine": number(row.cosine, 3),
        "output grad": number(row.output_gradient, 3),
        **_kernel_cells(kernel),
        "note": note,
    }


def _kernel_line(kernel: KernelRow) -> dict[str, str]:
    """The cells of a kernel that is not the layer's main one."""
    return {"layer": kernel.path, "type": "(kernel)", **_kernel_cells(kernel)}


def _kernel_cells(kernel: KernelRow) -> dict[str, str]:
    law = kernel.law or Law("-")
    return {
        "kernel std": number(kernel.std, 3) if kernel.path else "-",
        "law": law.name,
        "law std": number(law.std, 3),
        "right std": number(law.right_std, 3),
        "fan in": "-" if kernel.fan_in is None else str(kernel.fan_in),
        "fan out": "-" if kernel.fan_out is None else str(kernel.fan_out),
        "kernel grad": number(kernel.gradient, 3),
        "ratio": number(kernel.gradient_ratio, 3),
        "update": number(kernel.update_ratio, 3),
        "largest sv": number(kernel.largest_singular_value, 3),
        "smallest sv": number(kernel.smallest_singular_value, 3),
    }
