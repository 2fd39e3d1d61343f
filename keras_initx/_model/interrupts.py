"""Interrupts (Ctrl-C) that wait while a model is not as it was.

Python raises `KeyboardInterrupt` between any two lines: also after a model was changed
and before it is put back. So interrupts wait while our own code works on a model. They
are raised while the code of a layer or of the user runs, and when our work is done.
Only the main thread is ever interrupted.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def hold_interrupts() -> Iterator[None]:
    """A context in which interrupts wait; they are raised when it ends."""
    handler = _current_handler()
    if isinstance(handler, _Handler):
        with handler.switched(is_open=False):
            yield
    elif callable(handler):
        ours = _Handler(handler)
        signal.signal(signal.SIGINT, ours)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)
            ours.is_open = True
            ours.deliver()
    else:
        yield


@contextlib.contextmanager
def allow_interrupts() -> Iterator[None]:
    """A context, within that of `hold_interrupts`, in which interrupts are raised."""
    handler = _current_handler()
    if isinstance(handler, _Handler):
        with handler.switched(is_open=True):
            yield
    else:
        yield


class _Handler:
    """Stands before the handler of interrupts, and calls it at once or later."""

    def __init__(self, handler: Callable[[int, Any], Any]) -> None:
        self.is_open = False
        self._handler = handler
        self._is_waiting = False

    def __call__(self, number: int, frame: Any) -> None:
        """An interrupt has come."""
        self._is_waiting = True
        self.deliver()

    def deliver(self) -> None:
        """Handles an interrupt that waits, if that is allowed now."""
        if self._is_waiting and self.is_open:
            # If it raises, the next interrupt waits until the model is as it was.
            self._is_waiting = self.is_open = False
            self._handler(signal.SIGINT, None)
            self.is_open = True

    @contextlib.contextmanager
    def switched(self, is_open: bool) -> Iterator[None]:
        """A context in which interrupts are handled at once, or wait."""
        was_open, self.is_open = self.is_open, is_open
        try:
            self.deliver()
            yield
        finally:
            self.is_open = was_open
            self.deliver()


def _current_handler() -> Any:
    """The handler of interrupts, or None in a thread that gets none."""
    if threading.current_thread() is threading.main_thread():
        return signal.getsignal(signal.SIGINT)
    return None
