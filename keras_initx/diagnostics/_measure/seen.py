"""All that a report measured of a model, on one batch."""

import dataclasses
import functools

from keras_initx.diagnostics._measure.attention_weights import AttentionWeights
from keras_initx.diagnostics._measure.embeddings import EmbeddingScale
from keras_initx.diagnostics._measure.first_update import FirstUpdate
from keras_initx.diagnostics._measure.jacobian import Jacobian
from keras_initx.diagnostics._measure.leaves import Leaf
from keras_initx.diagnostics._measure.loss_facts import ExpectedLoss
from keras_initx.diagnostics._measure.merges import Merge
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.targets import TargetRow, target_row
from keras_initx.diagnostics._measure.task import Task
from keras_initx.diagnostics._measure.trainability import Trainability


@dataclasses.dataclass
class Seen:
    """What was measured: the verdicts look at this and at nothing else.

    Attributes:
        rows: list of LayerRow. One for each layer, in the order of execution.
        inputs: list of LayerRow. One for each input of floats.
        loss: float or None. The loss of the batch, where it is known.
        tasks: list of Task. One for each output that has targets and a known loss.
        targets: list of TargetRow. What the targets of each of `tasks` are.
        expected_loss: ExpectedLoss or None. The loss of a model that knows nothing yet.
        first_update: FirstUpdate or None. One step of the model's optimizer.
        trainability: Trainability. What trains, and which layers take no part.
        merges: list of Merge. Where tensors are added or joined.
        readers: dict. For the path of a layer, those of the layers that get its output,
            as far as that is seen.
        lost: list of str. The paths of the layers that get what no layer made.
        attention: list of AttentionWeights. One for each layer that attends.
        embeddings: list of EmbeddingScale. One for each embedding.
        leaves: list of Leaf. One for each array of the inputs.
        jacobian: Jacobian or None. From the inputs to the outputs, where it was asked
            for.
        training: bool. Whether the model was called as in training.
        has_signal: bool. Whether the model ran, and not only its weights were seen.
        is_chain: bool. Whether each layer is known to get what the one before put out.
    """

    rows: list[LayerRow]
    inputs: list[LayerRow] = dataclasses.field(default_factory=list)
    loss: float | None = None
    tasks: list[Task] = dataclasses.field(default_factory=list)
    expected_loss: ExpectedLoss | None = None
    first_update: FirstUpdate | None = None
    trainability: Trainability = dataclasses.field(default_factory=Trainability)
    merges: list[Merge] = dataclasses.field(default_factory=list)
    readers: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    lost: list[str] = dataclasses.field(default_factory=list)
    attention: list[AttentionWeights] = dataclasses.field(default_factory=list)
    embeddings: list[EmbeddingScale] = dataclasses.field(default_factory=list)
    leaves: list[Leaf] = dataclasses.field(default_factory=list)
    jacobian: Jacobian | None = None
    training: bool = True
    has_signal: bool = True
    is_chain: bool = False

    @functools.cached_property
    def targets(self) -> list[TargetRow]:
        """Measured when they are first asked for."""
        return [target_row(task) for task in self.tasks]
