"""One eager forward pass over a model, watched: every layer call, as it happens.

For the time of the pass each layer gets an instance attribute `call` that stands before
the method of its class, and one `activation` that stands before its own. So a call is
seen wherever it comes from, its pre-activation is what the layer's own code computes,
and an observer may change what is handed on. Afterwards the attributes are removed:
classes are never touched, and nothing stays on the model.

Layers are found when their parent runs, because a sublayer may not exist before.
"""

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_initx._backend import has_values, preserve_modes
from keras_initx._keras import mask_of
from keras_initx._model.preserve import preserve_state
from keras_initx._model.sublayers import OPAQUE, sublayers
from keras_initx._model.time_distributed import time_distributed

_ABSENT = object()


@dataclasses.dataclass
class LayerCall:
    """One call of one layer.

    Attributes:
        layer: keras.layers.Layer.
        number: int. 1 for the first call of this layer in the pass.
        parents: tuple of keras.layers.Layer. The layers whose calls this one is within,
            the outermost first.
        args: tuple. What the layer was called with.
        kwargs: dict. The same.
        mask: The Keras mask of the first tensor among the arguments, or None.
    """

    layer: keras.layers.Layer
    number: int
    parents: tuple[keras.layers.Layer, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    mask: Any
    _runs_again: bool = False

    def repeat(self) -> None:
        """Asks for one more run of the layer, after this one, on the same inputs.

        The output of the last run is handed on.
        """
        self._runs_again = True


class Observer:
    """What happens at each call; a subclass overrides what it needs."""

    def enter(self, call: LayerCall) -> None:
        """Before a layer runs."""

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        """Between the linear part of a layer and its activation.

        Where a layer has no attribute `activation`, or does not use it, the tensor is
        its output. What is returned replaces it.
        """
        return tensor

    def leave(self, call: LayerCall, output: Any) -> Any:
        """After a layer has run. What is returned replaces its output."""
        return output

    def unseen(self, layer: keras.layers.Layer) -> None:
        """Instead of all of these, where a layer runs within a compiled function."""


def trace(
    model: keras.layers.Layer,
    inputs: Any,
    observer: Observer,
    *,
    training: bool = False,
    is_differentiated: bool = False,
) -> Any:
    """Calls the model on `inputs` and tells the observer.

    The pass is eager. Afterwards, also after an error, the model is as before, but for
    what the observer itself changed: its flags, its losses, and its state, such as
    moving statistics and the states of seeds.

    Args:
        model: keras.layers.Layer. A model or any other layer.
        inputs: What the model is called with.
        observer: Observer.
        training: bool. Whether the model is called as in training. Defaults to
            `False`.
        is_differentiated: bool. Whether the pass is a part of what `pullback`
            differentiates: the tensors that the observer sees need not have values.
            Defaults to `False`: the pass is without gradients.

    Returns:
        The output of the model.

    Raises:
        Exception: What the observer raises, or what a layer raises.
    """
    watch = _Watch(observer, is_differentiated)
    with preserve_state(model), preserve_modes(model, is_differentiated), watch.patches:
        watch.add(model)
        try:
            return model(inputs, training=training)
        except Exception:
            # Keras writes the arguments of each enclosing layer into what it passes on.
            if watch.error is not None:
                raise watch.error from None
            raise


class _Watch:
    """The watched layers, and the calls that are going on."""

    def __init__(self, observer: Observer, is_differentiated: bool) -> None:
        self.observer = observer
        self._is_differentiated = is_differentiated
        self.patches = contextlib.ExitStack()
        self.error: Exception | None = None
        self._watched: dict[int, keras.layers.Layer] = {}
        self._numbers: collections.Counter[int] = collections.Counter()
        self._calls: list[LayerCall] = []
        # The masks of the tensors that these calls got, by the tensors' identities: an
        # attention layer takes them off before it calls its sublayers.
        self._masks: collections.ChainMap[int, Any] = collections.ChainMap()
        self._is_repetition = False

    def add(self, layer: keras.layers.Layer) -> None:
        """Watches this layer and those below it."""
        for each in sublayers(layer):
            if id(each) not in self._watched:
                self._watched[id(each)] = each
                name = "call" if each.quantization_mode is None else "quantized_call"
                function = _call_of(each, name)
                run = functools.partial(self._run, each, function)
                call = functools.wraps(function)(run)
                self.patches.enter_context(_attribute(each, name, call))
                self.patches.enter_context(
                    _attribute(each, "rematerialized_call", _as_it_is)
                )

    def _run(
        self,
        layer: keras.layers.Layer,
        function: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """A call of a watched layer."""
        leaves = keras.tree.flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if ops.is_tensor(leaf)]
        if not (self._is_differentiated or all(map(has_values, tensors))):
            self.observer.unseen(layer)
            return function(*args, **kwargs)
        self.add(layer)
        masks = {
            id(tensor): mask
            for tensor in tensors
            if (mask := mask_of(tensor)) is not None
        }
        self._masks = self._masks.new_child(masks)
        if not self._is_repetition:
            self._numbers[id(layer)] += 1
        call = LayerCall(
            layer=layer,
            number=self._numbers[id(layer)],
            parents=tuple(call.layer for call in self._calls),
            args=args,
            kwargs=kwargs,
            mask=self._masks.get(id(tensors[0])) if tensors else None,
        )
        self._calls.append(call)
        was_repetition = self._is_repetition
        try:
            self._ask(self.observer.enter, call)
            output = self._run_once(call, function)
            while call._runs_again:
                call._runs_again, self._is_repetition = False, True
                output = self._run_once(call, function)
            return self._ask(self.observer.leave, call, output)
        finally:
            self._is_repetition = was_repetition
            self._masks = self._masks.parents
            self._calls.pop()

    def _run_once(self, call: LayerCall, function: Callable[..., Any]) -> Any:
        activation = getattr(call.layer, "activation", None)
        if not callable(activation) or isinstance(call.layer, OPAQUE):
            output = function(*call.args, **call.kwargs)
            return self._ask(self.observer.pre_activation, call, output)
        was_used = False

        def held_back(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal was_used
            if not was_used:
                was_used = True
                tensor = self._ask(self.observer.pre_activation, call, tensor)
            return activation(tensor, *args, **kwargs)

        with _attribute(call.layer, "activation", held_back):
            output = function(*call.args, **call.kwargs)
        if was_used:
            return output
        return self._ask(self.observer.pre_activation, call, output)

    def _ask(self, question: Callable[..., Any], *args: Any) -> Any:
        """The observer's answer. If it raises instead, the error is kept as it is."""
        try:
            return question(*args)
        except Exception as error:
            self.error = error
            raise


def _call_of(layer: keras.layers.Layer, name: str) -> Callable[..., Any]:
    """How a layer runs: as always, but for a loop over time that need not be one."""
    if type(layer) is keras.layers.TimeDistributed:
        return functools.partial(time_distributed, layer)
    return getattr(layer, name)


def _as_it_is(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
    """Rematerialization would compile the call, to save memory for gradients."""
    return function


@contextlib.contextmanager
def _attribute(layer: keras.layers.Layer, name: str, value: Any) -> Iterator[None]:
    """An attribute of this one object, set and reset past Keras's own bookkeeping."""
    attributes = vars(layer)
    before = attributes.get(name, _ABSENT)
    attributes[name] = value
    try:
        yield
    finally:
        if before is _ABSENT:
            del attributes[name]
        else:
            attributes[name] = before
