"""What a report shows: a table, words, plain values, a picture."""

import dataclasses
import math
from typing import Any

from keras_initx import _validate
from keras_initx._report.row_report import RowReport
from keras_initx._report.table import number
from keras_initx.diagnostics._judge.verdict import HEALTHY, Verdict
from keras_initx.diagnostics._measure.jacobian import Jacobian
from keras_initx.diagnostics._measure.laws import Law
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._show.plot import plot

_LEGEND = "z: the pre-activation. mean, std, dead, saturated, cosine: of the output."
_WEIGHTS_LEGEND = (
    "kernel std: the standard deviation of the weights. law std: that with which the "
    "initializer draws them. right std: that by the layer's own fans."
)
_GRADIENT_LEGEND = (
    "kernel grad, output grad: norms of the gradient of the loss. ratio: of the "
    "kernel's gradient to the kernel."
)


class SignalReport(RowReport[LayerRow]):
    """What `signal_report` saw: one row for each layer, in the order of execution.

    It prints as a table with the verdicts below, and shows as one in a notebook.

    Attributes:
        rows: list of rows, each with the attributes `path`, `type`, `calls`,
            `activation`, `dtype`, `units`, `fan_in`, `fan_out`, `pre_activation_mean`,
            `pre_activation_std`, `mean`, `std`, `dead`, `saturated`, `cosine`,
            `spread`, `output_gradient`, `gradient`, `gradient_ratio`, `kernels`,
            `noise` (as a multiple of the signal), `normalized_over` (so many numbers)
            and, for a recurrent layer, `over_time`: with `steps`, `first_std`,
            `middle_std`, `last_std`, `saturated_gates`, `swung_gates`, `shut_units`,
            `forgetful_units`, `first_gradient`, `last_gradient` and `gradient_ratio`.
            `spread`, `output_gradient`, `gradient`, `gradient_ratio`, `input_rms`,
            `own_gain` (the root mean square of the pre-activation over `input_rms`),
            `bias_rms`, `kernels` (each with `std` and `law`) and,
            for a recurrent layer, `over_time`: with `steps`, `first_std`, `middle_std`,
            `last_std`, `saturated_gates`, `shut_units`, `first_gradient`,
            `last_gradient` and `gradient_ratio`.
        inputs: list of rows, one for each input of floats: `mean`, `std`, `cosine`,
            `spread`, and `features`, which a layer whose kernel gets the data has too:
            with `count`, `constant`, `rms`, `smallest_rms`, `median_rms`,
            `largest_rms`, `largest`, `largest_share`, `minimum`, `maximum` and more.
        targets: list of rows, one for each output with targets and a known loss:
            `name`, `kind`, `samples`, `count`, `minimum`, `maximum`, `mean` and `std`
            of numbers, `frequencies` and `entropy` of classes.
            `spread`.
        attention: list with one entry for each layer that attends: `path`, `type`,
            `keys`, `largest` (the largest weight of a query, on average), `score_std`.
        embeddings: list with one entry for each embedding: `path`, `vocabulary`,
            `dimension`, `std`, and where positions are added `positions_std` and
            `tokens_std`.
        verdicts: list of verdicts, each with the attributes `kind` (an identifier, such
            as `"vanishing_signal"`), `title` (the same in words), `layer` (the path of
            the first layer where it goes wrong) and `text`. Never empty: a network that
            looks healthy has one verdict of the kind `"healthy"`.
        training: bool. Whether the model was called as in training.
        has_signal: bool. Whether the model was called, and not only its weights looked
            at.
        loss: float or None.
        first_update: None, or what one step of the model's optimizer would do to this
            batch: `optimizer`, `rate`, `is_scheduled`, `weight_decay`, `loss_before`,
            `loss_after`, `predicted`, `output_change`, `kept` and `decay`.
        expected_loss: float or None. The loss of a model of one output that knows
            nothing yet: the logarithm of the number of classes, or the variance of the
            targets.
            `loss_after`, `predicted`, `output_change`, `kept`, `decay` and `momentum`.
        trainability: What trains: `weights` and `trainable` count the numbers that are
            made to be trained, and those that are; `frozen`, `unused` and `dropped` are
            lists of layers, each with `path` and `type`.
        jacobian: None, or what was asked for: `singular_values`, `largest` and
            `smallest`.
    """

    def __init__(
        self,
        seen: Seen,
        verdicts: list[Verdict],
        training: bool = True,
        jacobian: Jacobian | None = None,
    ) -> None:
        super().__init__(seen.rows)
        self.inputs = seen.inputs
        self.targets = seen.targets
        self.attention = seen.attention
        self.embeddings = seen.embeddings
        self.verdicts = verdicts
        self.training = training
        self.has_signal = seen.has_signal
        self.loss = seen.loss
        self.first_update = seen.first_update
        self._expected_loss = seen.expected_loss
        self.trainability = seen.trainability
        self.jacobian = jacobian

    def __getitem__(self, path: str | int) -> LayerRow:
        """The row of a layer, by its path or by the end of it, or by its place."""
        if isinstance(path, int):
            return self.rows[path]
        for ends_so in (str.__eq__, _ends_with):
            for row in self.rows:
                if ends_so(row.path, path):
                    return row
        raise KeyError(path)

    @property
    def expected_loss(self) -> float | None:
        """The loss of a model that knows nothing yet, where it is known."""
        return None if self._expected_loss is None else self._expected_loss.value

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdicts[0].kind == HEALTHY

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for strict JSON.

        A number that is not finite is a string: `"nan"`, `"inf"` or `"-inf"`.
        """
        jacobian, update = self.jacobian, self.first_update
        content = {
            "training": self.training,
            "has_signal": self.has_signal,
            "loss": self.loss,
            "first_update": None if update is None else update.to_dict(),
            "expected_loss": self.expected_loss,
            "trainability": dataclasses.asdict(self.trainability),
            "inputs": [dataclasses.asdict(row) for row in self.inputs],
            "targets": [dataclasses.asdict(row) for row in self.targets],
            "layers": [dataclasses.asdict(row) for row in self.rows],
            "attention": [dataclasses.asdict(each) for each in self.attention],
            "embeddings": [dataclasses.asdict(each) for each in self.embeddings],
            "jacobian": None if jacobian is None else jacobian.to_dict(),
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
        }
        plain: dict[str, Any] = _plain(content)
        return plain

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one line for each layer, by its path.

        Raises:
            ImportError: If pandas is not installed.
        """
        import pandas

        lines = []
        for row in self.rows:
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
            lines.append(line)
        return pandas.DataFrame(lines).set_index("path")

    def plot(self, ax: Any = None) -> Any:
        """Draws the standard deviation by depth, and the gradient where it is known.

        Args:
            ax: matplotlib.axes.Axes or None. Where to draw the standard deviation
                alone. Defaults to `None`: a new figure, with a second part below for
                the gradient.

        Returns:
            The axes; a list of two if there are two.

        Raises:
            ImportError: If matplotlib is not installed.
            ValueError: If only the weights were looked at.
        """
        if not self.has_signal:
            raise _validate.error(
                "plot",
                "a report with a signal",
                "one of the weights alone",
                "Pass `x` to `signal_report`.",
            )
        return plot(self.inputs, self.rows, self.verdicts, ax)

    def _table(self) -> tuple[list[str], list[list[str]], str]:
        lines = []
        for row in (*self.inputs, *self.rows):
            notes = [v.title for v in self.verdicts if v.layer == row.path]
            lines.append(_line(row, "; ".join(filter(None, [*notes, row.note]))))
            lines += [_kernel_line(kernel) for kernel in row.kernels[1:]]
        # An empty column is left out.
        heads = [
            head
            for head in (_HEADS if self.has_signal else _WEIGHTS_HEADS)
            if head in _ALWAYS or any(line.get(head, "-") != "-" for line in lines)
        ]
        cells = [[line.get(head, "") for head in heads] for line in lines]
        return heads, cells, self._summary()

    def _summary(self) -> str:
        words = [_LEGEND if self.has_signal else _WEIGHTS_LEGEND]
        if self.loss is not None:
            words += [_GRADIENT_LEGEND, f"Loss: {number(self.loss)}."]
            beside = "" if self._expected_loss is None else f" ({self._expected_loss})"
            words += [_GRADIENT_LEGEND, f"Loss: {number(self.loss)}{beside}."]
        words += [
            f"{_start(row)}: {row.features}" for row in self.inputs if row.features
        ]
        words += map(str, self.targets)
        if self.first_update is not None:
            words.append(str(self.first_update))
            beside = "" if self._expected_loss is None else f" ({self._expected_loss})"
            words += [_GRADIENT_LEGEND, f"Loss: {number(self.loss)}{beside}."]
        words += [_over_time(row) for row in self.rows if row.over_time is not None]
        if self.jacobian is not None:
            words.append(str(self.jacobian))
        return "\n".join([*words, "", *map(str, self.verdicts)])


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
        "dead": _percent(row.dead),
        "saturated": _percent(row.saturated),
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


def _start(row: LayerRow) -> str:
    return f"{row.path[0].upper()}{row.path[1:]}"


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
        words.append(f"saturated gates {_percent(seen.saturated_gates)}")
    if seen.gradient_ratio is not None:
        words.append(
            f"gradient at the first step {number(seen.gradient_ratio, 3)} times that "
            "at the last"
        )
    return "; ".join(words) + "."


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"


def _plain(value: Any) -> Any:
    """The same, with strings for the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _ends_with(path: str, end: str) -> bool:
    return path.endswith("/" + end)
