"""What a model is asked for: each output beside its targets and its loss."""

import dataclasses

import numpy as np

REGRESSION, BINARY, CATEGORICAL, SPARSE = (
    "regression",
    "binary",
    "categorical",
    "sparse",
)


@dataclasses.dataclass
class Task:
    """One output of a model, its targets and its loss.

    Attributes:
        kind: str. `"regression"`, `"binary"`, `"categorical"` (targets one-hot),
            `"sparse"` (targets are class numbers), or empty where the loss is unknown.
        targets: np.ndarray. As they were given.
        outputs: np.ndarray. As the model puts them out.
        loss: str. The name of the loss.
        from_logits: bool. Whether the loss takes the outputs for logits.
        layer: str or None. The path of the row that makes the output.
        name: str. That of the output, where there are several.
    """

    kind: str
    targets: np.ndarray
    outputs: np.ndarray
    loss: str = ""
    from_logits: bool = False
    layer: str | None = None
    name: str = ""
