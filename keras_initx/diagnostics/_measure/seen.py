"""All that a report measured of a model, on one batch."""

import dataclasses
import functools

from keras_initx.diagnostics._measure.leaves import Leaf
from keras_initx.diagnostics._measure.loss_facts import ExpectedLoss
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.targets import TargetRow, target_row
from keras_initx.diagnostics._measure.tasks import Task


@dataclasses.dataclass
class Seen:
    """What was measured: the verdicts look at this and at nothing else.

    Attributes:
        rows: list of LayerRow. One for each layer, in the order of execution.
        inputs: list of LayerRow. One for each input of floats.
        loss: float or None. The loss of the batch, where it is known.
        tasks: list of Task. One for each output that has targets and a known loss.
        expected_loss: ExpectedLoss or None. The loss of a model that knows nothing yet.
        leaves: list of Leaf. One for each array of the inputs.
        targets: list of TargetRow. What the targets of each of `tasks` are.
    """

    rows: list[LayerRow]
    inputs: list[LayerRow] = dataclasses.field(default_factory=list)
    loss: float | None = None
    tasks: list[Task] = dataclasses.field(default_factory=list)
    expected_loss: ExpectedLoss | None = None
    leaves: list[Leaf] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def targets(self) -> list[TargetRow]:
        """Measured when they are first asked for."""
        return [target_row(task) for task in self.tasks]
