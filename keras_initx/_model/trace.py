"""One eager forward pass over a model, in which an observer sees every layer call.

During the pass each layer has an instance attribute `call`, which replaces the method
of its class, and one `activation`, which replaces its own. So every call is seen, no
matter who makes it. The pre-activation is what the layer's own code computes, and an
observer may change what the next layer gets. After the pass the attributes are removed:
classes never change, and nothing stays on the model.

Layers are found when their parent runs, because a sublayer may not exist before that.
"""

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_initx._backend import has_values
from keras_initx._backend.gradients import preserve_modes
from keras_initx._keras import mask_of
from keras_initx._model.interrupts import allow_interrupts, hold_interrupts
from keras_initx._model.observer import LayerCall as LayerCall
from keras_initx._model.observer import Observer as Observer
from keras_initx._model.preserve import preserve_state
from keras_initx._model.sublayers import OPAQUE, sublayers
from keras_initx._model.tensors import flat, is_tensor
from keras_initx._model.time_distributed import time_distributed

_ABSENT = object()


def trace(
    model: keras.layers.Layer,
    inputs: Any,
    observer: Observer,
    *,
    training: bool = False,
    is_differentiated: bool = False,
    is_recorded: bool = False,
) -> Any:
    """Calls the model on `inputs` and tells the observer about each layer call.

    The pass is eager. After it, also after an error, the flags, the losses and the
    state of the model (moving statistics, states of seeds) are what they were. Only the
    observer's own changes stay. An interrupt is raised while a layer runs; otherwise it
    waits until the pass is over.

    Args:
        model: keras.layers.Layer. A model or any other layer.
        inputs: What the model is called with.
        observer: Observer.
        training: bool. Whether the model is called as in training. Defaults to
            `False`.
        is_differentiated: bool. Whether `pullback` differentiates the pass: then the
            tensors that the observer sees need not have values. Defaults to `False`: no
            gradients are recorded.
        is_recorded: bool. Whether a list of the operations is made of the pass: then
            the tensors need not have values either, and it is the caller who preserves
            the state of the model. Defaults to `False`.

    Returns:
        The output of the model.

    Raises:
        Exception: What the observer or a layer raises.
    """
    watch = _Watch(observer, needs_values=not (is_differentiated or is_recorded))
    with (
        hold_interrupts(),
        contextlib.nullcontext() if is_recorded else preserve_state(model),
        preserve_modes(model, is_differentiated),
        watch.patches,
    ):
        watch.add(model)
        try:
            return model(inputs, training=training)
        except Exception:
            # Keras adds the arguments of each enclosing layer to the message.
            if watch.error is not None:
                raise watch.error from None
            raise


@dataclasses.dataclass
class _Watched:
    """A watched layer, how it runs without us, and how often it was called."""

    layer: keras.layers.Layer
    function: Callable[..., Any]
    calls: int = 0


class _Watch:
    """The watched layers, and the calls that are running."""

    def __init__(self, observer: Observer, needs_values: bool) -> None:
        self.observer = observer
        self._needs_values = needs_values
        self.patches = contextlib.ExitStack()
        self.error: Exception | None = None
        self._watched: dict[int, _Watched] = {}
        self._calls: list[LayerCall] = []
        # The masks of the tensors that these calls got, by the tensors' identities: an
        # attention layer removes them before it calls its sublayers.
        self._masks: collections.ChainMap[int, Any] = collections.ChainMap()

    def add(self, layer: keras.layers.Layer) -> None:
        """Watches this layer and its sublayers."""
        for each in sublayers(layer):
            if id(each) in self._watched:
                continue
            name = "call" if each.quantization_mode is None else "quantized_call"
            function = _call_of(each, name)
            watched = self._watched[id(each)] = _Watched(each, function)
            run = functools.wraps(function)(functools.partial(self._run, watched))
            self.patches.enter_context(_attribute(each, name, run))
            self.patches.enter_context(
                _attribute(each, "rematerialized_call", _as_it_is)
            )

    def _run(self, watched: _Watched, *args: Any, **kwargs: Any) -> Any:
        """A call of a watched layer."""
        tensors = [leaf for leaf in flat((args, kwargs)) if is_tensor(leaf)]
        if self._needs_values and not all(map(has_values, tensors)):
            self.observer.unseen(watched.layer)
            return watched.function(*args, **kwargs)
        with hold_interrupts(), self._masks_of(tensors):
            self.add(watched.layer)
            call = self._begin(watched, args, kwargs, tensors)
            self._calls.append(call)
            try:
                self._ask(self.observer.enter, call)
                output = self._run_once(call, watched.function)
                while call._runs_again:
                    call._runs_again, call.is_repetition = False, True
                    output = self._run_once(call, watched.function)
                return self._ask(self.observer.leave, call, output)
            finally:
                self._calls.pop()

    def _begin(
        self,
        watched: _Watched,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        tensors: list[Any],
    ) -> LayerCall:
        """The call that begins now. In a repetition the numbers do not grow."""
        is_repetition = bool(self._calls) and self._calls[-1].is_repetition
        if not is_repetition or watched.calls == 0:
            watched.calls += 1
        return LayerCall(
            layer=watched.layer,
            number=watched.calls,
            parents=tuple(call.layer for call in self._calls),
            args=args,
            kwargs=kwargs,
            mask=self._masks.get(id(tensors[0])) if tensors else None,
            is_repetition=is_repetition,
        )

    @contextlib.contextmanager
    def _masks_of(self, tensors: list[Any]) -> Iterator[None]:
        """A context in which the masks of these tensors are known."""
        masks = {
            id(tensor): mask
            for tensor in tensors
            if (mask := mask_of(tensor)) is not None
        }
        self._masks = self._masks.new_child(masks)
        try:
            yield
        finally:
            self._masks = self._masks.parents

    def _run_once(self, call: LayerCall, function: Callable[..., Any]) -> Any:
        """The output of one run. The observer gets its pre-activation."""
        activation = getattr(call.layer, "activation", None)
        if not callable(activation) or isinstance(call.layer, OPAQUE):
            with allow_interrupts():
                output = function(*call.args, **call.kwargs)
            return self._ask(self.observer.pre_activation, call, output)
        was_used = False

        def held_back(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal was_used
            if not was_used:
                was_used = True
                with hold_interrupts():
                    tensor = self._ask(self.observer.pre_activation, call, tensor)
            return activation(tensor, *args, **kwargs)

        with _attribute(call.layer, "activation", held_back), allow_interrupts():
            output = function(*call.args, **call.kwargs)
        if was_used:
            return output
        return self._ask(self.observer.pre_activation, call, output)

    def _ask(self, question: Callable[..., Any], *args: Any) -> Any:
        """The observer's answer. If it raises, the error is kept as it is."""
        try:
            return question(*args)
        except Exception as error:
            self.error = error
            raise


def _call_of(layer: keras.layers.Layer, name: str) -> Callable[..., Any]:
    """How a layer runs: as always, except that `TimeDistributed` needs no loop."""
    if type(layer) is keras.layers.TimeDistributed:
        return functools.partial(time_distributed, layer)
    return getattr(layer, name)


def _as_it_is(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
    """The function itself. Keras's rematerialization would compile it."""
    return function


@contextlib.contextmanager
def _attribute(layer: keras.layers.Layer, name: str, value: Any) -> Iterator[None]:
    """A context in which this one object has the attribute.

    It is set in the object's dictionary, so that Keras does not track it.
    """
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
