"""What `record` tells of one operation."""

import dataclasses
from collections.abc import Hashable

# The kinds that somebody asks for. All others are "other". A difference is an addition.
ADD, MULTIPLY, SIGMOID, SOFTMAX = "add", "multiply", "sigmoid", "softmax"
MARK, OTHER = "mark", "other"


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a framework: which tensors it reads, and which it makes.

    Attributes:
        kind: str. One of the names above. `"mark"` is no operation: at this place a
            tensor was marked.
        inputs: tuple. The tensors, by names that are theirs alone.
        outputs: tuple. The same.
        shape: tuple of int or None. That of the first output, or of a marked tensor;
            None if there is none, or if it is not known.
        mark: int. The number of a mark; -1 otherwise.
    """

    kind: str
    inputs: tuple[Hashable, ...]
    outputs: tuple[Hashable, ...]
    shape: tuple[int, ...] | None
    mark: int = -1
