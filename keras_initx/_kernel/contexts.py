"""The `with` blocks of one kind that are open here and now."""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(eq=False)
class _Block:
    """What one `with` says, and whether it has not ended yet."""

    value: Any
    is_open: bool = True


class Contexts:
    """The open blocks of one kind: those of this thread, the innermost last.

    A block ends for good, whichever block or thread ends first: a generator that opened
    one may be closed later than its caller's block, or by another thread.
    """

    def __init__(self, name: str) -> None:
        self._blocks: contextvars.ContextVar[tuple[_Block, ...]] = (
            contextvars.ContextVar(name, default=())
        )

    @contextlib.contextmanager
    def opened(self, value: Any = None) -> Iterator[None]:
        """One block, which says `value`."""
        block = _Block(value)
        self._blocks.set((*self._open_blocks(), block))
        try:
            yield
        finally:
            block.is_open = False
            self._blocks.set(self._open_blocks())

    def values(self) -> list[Any]:
        """What the open blocks say, the innermost last."""
        return [block.value for block in self._open_blocks()]

    def _open_blocks(self) -> tuple[_Block, ...]:
        return tuple(block for block in self._blocks.get() if block.is_open)
