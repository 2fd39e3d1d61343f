"""Methods of classes, with something around them for as long as it is needed."""

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

# Gets the method that it stands around, and the arguments of the call.
Around = Callable[..., Any]

_lock = threading.RLock()


class Hooks:
    """Runs functions around methods while somebody holds it.

    When the last holder lets go, each class is as it was. If somebody else has replaced
    the method in the meantime, it stays in their hands: ours is below theirs, and then
    only calls the original.

    Args:
        *methods: tuples of a class, the name of a method, and the function around it.

    Examples:
        hooks = Hooks((keras.layers.Layer, "add_weight", around))
        with hooks.held():
            # Runs around(keras.layers.Layer.add_weight, layer, ...).
            layer.add_weight(...)
    """

    def __init__(self, *methods: tuple[type, str, Around]) -> None:
        self._methods = methods
        self._added: list[tuple[type, str, Around]] = []
        self._holders = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A context that holds it."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """The functions run from now on, until as many holders let go."""
        with _lock:
            self._holders += 1
            if self._holders == 1:
                for method in self._methods:
                    self._add(*method)

    def release(self) -> None:
        """One holder lets go."""
        with _lock:
            self._holders -= 1
            while self._holders == 0 and self._added:
                owner, name, around = self._added.pop()
                _HOOKED[owner, name].remove(around)

    def add(self, owner: type, name: str, around: Around) -> None:
        """One more method, while somebody holds all of them."""
        with _lock:
            if self._holders and (owner, name, around) not in self._added:
                self._add(owner, name, around)

    def _add(self, owner: type, name: str, around: Around) -> None:
        if (owner, name) not in _HOOKED:
            _HOOKED[owner, name] = _Hooked(owner, name)
        _HOOKED[owner, name].add(around)
        self._added.append((owner, name, around))


class _Hooked:
    """One method, and the functions around it, the innermost first."""

    def __init__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._name = name
        self._arounds: list[Around] = []
        self._before = vars(owner).get(name)
        self._ours = self._hooked()
        setattr(owner, name, self._ours)

    def add(self, around: Around) -> None:
        self._arounds = [*self._arounds, around]

    def remove(self, around: Around) -> None:
        arounds = list(self._arounds)
        arounds.remove(around)
        self._arounds = arounds
        if not arounds:
            del _HOOKED[self._owner, self._name]
            self._take_off()

    def _take_off(self) -> None:
        if vars(self._owner).get(self._name) is not self._ours:
            return
        if self._before is None:
            # The class has the method from its base.
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)

    def _hooked(self) -> Any:
        method = getattr(self._owner, self._name)

        @functools.wraps(method)
        def hooked(*args: Any, **kwargs: Any) -> Any:
            call = method
            for around in self._arounds:
                call = functools.partial(around, call)
            return call(*args, **kwargs)

        # Keras reads the arguments of constructors in a way that asks for this.
        hooked.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]
        is_static = isinstance(self._before, staticmethod)
        return staticmethod(hooked) if is_static else hooked


_HOOKED: dict[tuple[type, str], _Hooked] = {}
