"""What a report shows: a table, words, plain values, a picture."""

from typing import Any

from keras_initx import _validate
from keras_initx._report.row_report import RowReport
from keras_initx.diagnostics._judge.verdict import HEALTHY, Verdict
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._show.plain_values import columns_of, dict_of
from keras_initx.diagnostics._show.plot import plot
from keras_initx.diagnostics._show.report_table import table_of
from keras_initx.diagnostics._show.summary import summary_of


class SignalReport(RowReport[LayerRow]):
    """What `signal_report` saw: one row for each layer, in the order of execution.

    It prints as a table with the verdicts below, and shows as one in a notebook.

    Attributes:
        rows: list of rows, each with the attributes `path`, `type`, `calls`,
            `activation`, `dtype`, `units`, `fan_in`, `fan_out`, `pre_activation_mean`,
            `pre_activation_std`, `mean`, `std`, `dead`, `saturated`, `cosine`,
            `spread`, `output_gradient`, `gradient`, `gradient_ratio`, `input_rms`,
            `own_gain` (the root mean square of the pre-activation over `input_rms`),
            `bias_rms`, `noise` (as a multiple of the signal), `normalized_over` (so
            many numbers), `kernels` (each with `std` and `law`) and, for a recurrent
            layer, `over_time`: with `steps`, `first_std`, `middle_std`, `last_std`,
            `saturated_gates`, `swung_gates`, `shut_units`, `forgetful_units`,
            `first_gradient`, `last_gradient` and `gradient_ratio`.
        inputs: list of rows, one for each input of floats: `mean`, `std`, `cosine`,
            `spread`, and `features`, which a layer whose kernel gets the data has too:
            with `count`, `constant`, `rms`, `smallest_rms`, `median_rms`,
            `largest_rms`, `largest`, `largest_share`, `minimum`, `maximum` and more.
        targets: list of rows, one for each output with targets and a known loss:
            `name`, `kind`, `samples`, `count`, `minimum`, `maximum`, `mean` and `std`
            of numbers, `frequencies` and `entropy` of classes.
        attention: list with one entry for each layer that attends: `path`, `type`,
            `keys`, `largest` (the largest weight of a query, on average), `score_std`.
        embeddings: list with one entry for each embedding: `path`, `vocabulary`,
            `dimension`, `std`, and where positions are added `positions_std` and
            `tokens_std`.
        verdicts: list of verdicts, each with the attributes `kind` (an identifier, such
            as `"vanishing_signal"`), `title` (the same in words), `layer` (the path of
            the first layer where it goes wrong), `text` and `url` (where to read on).
            Never empty: a network that looks healthy has one verdict of the kind
            `"healthy"`.
        training: bool. Whether the model was called as in training.
        has_signal: bool. Whether the model was called, and not only its weights looked
            at.
        loss: float or None. That of the batch.
        expected_loss: float or None. The loss of a model of one output that knows
            nothing yet: the logarithm of the number of classes, or the variance of the
            targets.
        first_update: None, or what one step of the model's optimizer would do to this
            batch: `optimizer`, `rate`, `is_scheduled`, `weight_decay`, `momentum`,
            `loss_before`, `loss_after`, `predicted`, `output_change`, `kept` and
            `decay`.
        trainability: What trains: `weights` and `trainable` count the numbers that are
            made to be trained, and those that are; `frozen`, `unused` and `dropped` are
            lists of layers, each with `path` and `type`.
        jacobian: None, or what was asked for: `singular_values`, `largest` and
            `smallest`.
        is_healthy: bool. Whether nothing is wrong.
    """

    def __init__(self, seen: Seen, verdicts: list[Verdict]) -> None:
        super().__init__(seen.rows)
        self._seen = seen
        self.inputs = seen.inputs
        self.targets = seen.targets
        self.attention = seen.attention
        self.embeddings = seen.embeddings
        self.verdicts = verdicts
        self.training = seen.training
        self.has_signal = seen.has_signal
        self.loss = seen.loss
        self.first_update = seen.first_update
        self.trainability = seen.trainability
        self.jacobian = seen.jacobian

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
        expected = self._seen.expected_loss
        return None if expected is None else expected.value

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdicts[0].kind == HEALTHY

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for strict JSON.

        A number that is not finite is a string: `"nan"`, `"inf"` or `"-inf"`.
        """
        return dict_of(self._seen, self.verdicts)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one line for each layer, by its path.

        Raises:
            ImportError: If pandas is not installed.
        """
        import pandas

        return pandas.DataFrame([*map(columns_of, self.rows)]).set_index("path")

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
        return (
            *table_of(self._seen, self.verdicts),
            summary_of(self._seen, self.verdicts),
        )


def _ends_with(path: str, end: str) -> bool:
    return path.endswith("/" + end)
