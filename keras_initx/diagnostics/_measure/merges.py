"""Where a model adds or joins tensors, and how large each is."""

import dataclasses

# What stands for the path of the layer that made an input of the model.
INPUT = "input"


@dataclasses.dataclass(frozen=True)
class Part:
    """One of the tensors that are merged.

    Attributes:
        path: str. That of the layer that made it; empty if it is not known.
        std: float. Its standard deviation, at a few hundred places.
    """

    path: str
    std: float


@dataclasses.dataclass(frozen=True)
class Merge:
    """Tensors that become one.

    Attributes:
        path: str. That of the layer that merges them, or gets them merged.
        type: str. The name of the class; `"+"` for a sum in a `call`.
        parts: tuple of Part.
    """

    path: str
    type: str
    parts: tuple[Part, ...]


def leads(readers: dict[str, list[str]], start: str, end: str) -> bool:
    """Whether there is a way from one layer to another."""
    waiting, seen = [start], set()
    while waiting:
        path = waiting.pop()
        if path == end and path != start:
            return True
        if path not in seen:
            seen.add(path)
            waiting += readers.get(path, ())
    return False
