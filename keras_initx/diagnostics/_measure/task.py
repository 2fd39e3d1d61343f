"""One output of a model beside its targets and its loss."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_initx.diagnostics._measure.known_losses import BINARY, CATEGORICAL, SPARSE


@dataclasses.dataclass
class Task:
    """One output of a model, its targets and its loss.

    Attributes:
        kind: str. `"regression"`, `"binary"`, `"categorical"` (targets one-hot),
            `"sparse"` (targets are class numbers), or empty where the loss is unknown.
        targets: np.ndarray. As they were given.
        outputs: np.ndarray. As the model puts them out; of many, evenly spaced samples
            (and steps, where a sample alone has many).
        loss: str. The name of the loss.
        from_logits: bool. Whether the loss takes the outputs for logits.
        layer: str or None. The path of the row that makes the output.
        name: str. That of the output, where there are several.
        compared: np.ndarray or None. The targets beside the outputs. Defaults to
            `None`: all of them.
        weights: np.ndarray or None. How much each of `compared` counts, by sample
            weights, the mask and an ignored class; of fewer axes than `compared`.
        all_weights: np.ndarray or None. The same for `targets`.
        label_smoothing: float. As the loss has it.
        function: Callable or None. The loss itself.
        shape: tuple of int. That of the whole output.
        code: str. Python code for the targets, such as `y["name"]`.
        is_broadcast: bool. Whether a loss of one's own compares each output with other
            targets than its own.
    """

    kind: str
    targets: np.ndarray
    outputs: np.ndarray
    loss: str = ""
    from_logits: bool = False
    layer: str | None = None
    name: str = ""
    compared: np.ndarray = None  # type: ignore[assignment]
    weights: np.ndarray | None = None
    all_weights: np.ndarray | None = None
    label_smoothing: float = 0.0
    function: Callable[..., Any] | None = None
    shape: tuple[int, ...] = ()
    code: str = "y"
    is_broadcast: bool = False

    def __post_init__(self) -> None:
        if self.compared is None:
            self.compared = self.targets
        self.shape = self.shape or self.outputs.shape

    @property
    def classes(self) -> int:
        """How many classes there are; 2 for one unit, 0 where there are none."""
        if self.kind not in (BINARY, CATEGORICAL, SPARSE) or not self.outputs.ndim:
            return 0
        return 2 if self.kind == BINARY else self.outputs.shape[-1]

    @property
    def labels_out_of_range(self) -> np.ndarray:
        """The class numbers that count and that no output unit stands for, sorted.

        With such a label a loss is NaN on TensorFlow, and raises on PyTorch.
        """
        if self.kind != SPARSE or self.targets.dtype.kind not in "iuf":
            return np.empty(0)
        labels, weights = self.targets, self.all_weights
        is_wrong = (labels < 0) | (labels >= self.classes)
        if weights is not None and is_wrong.any():
            if weights.ndim == labels.ndim - 1 and labels.shape[-1] == 1:
                is_wrong, labels = is_wrong[..., 0], labels[..., 0]
            shape = weights.shape + (1,) * (labels.ndim - weights.ndim)
            is_wrong &= weights.reshape(shape) != 0
        return np.unique(labels[is_wrong])
