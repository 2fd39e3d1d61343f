"""What runs when a layer is made, and when it is built, while a context is open.

`Layer.__new__` sees each layer that is made, whatever its class. Before its constructor
runs, the constructors of its class and of the bases get a function around them, which
fills in what the caller left out. It is called at each level, so that a layer which
hands an argument on to its base or to a sublayer hands on what was filled in.
"""

import contextlib
import functools
import inspect
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import layers

from keras_initx._keras import is_of_keras
from keras_initx._kernel.contexts import Contexts
from keras_initx._model.attention_layers import ATTENTIONS
from keras_initx._model.hooks import Hooks
from keras_initx._model.layer_axes import axes_arguments
from keras_initx._model.weight_arguments import (
    has_default_initializer,
    weight_arguments,
)
from keras_initx.config._defaults.roles import roles_of
from keras_initx.config._defaults.supply import Supply

Supplies = dict[str, Supply]

_supplies = Contexts("default_initializers")
# Whether a layer is making its sublayers.
_inside = Contexts("inside_a_layer")
# Keras's own layers that copy an initializer, when they are built or made.
_COPY_IN_BUILD = ATTENTIONS
_COPY_IN_INIT = (layers.Bidirectional,)
_arounds: weakref.WeakKeyDictionary[type, Any] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def supplied(supplies: Supplies) -> Iterator[None]:
    """A context in which layers take these initializers, by their roles."""
    with _HOOKS.held(), _supplies.opened(supplies):
        yield


def _current() -> Supplies:
    """What holds here: of each role the innermost."""
    return {role: s for each in _supplies.values() for role, s in each.items()}


def _new(original: Callable[..., Any], cls: type, *args: Any, **kwargs: Any) -> Any:
    """Around `Layer.__new__`."""
    supplies = _current()
    if not supplies:
        return original(cls, *args, **kwargs)
    for each in cls.__mro__:
        if inspect.isfunction(vars(each).get("__init__")):
            around = _around_init(each)
            if around is not None:
                _HOOKS.add(each, "__init__", around)
    layer = original(cls, *args, **kwargs)
    if isinstance(layer, _COPY_IN_BUILD) or not is_of_keras(layer):
        layer.build = _with(supplies, layer.build)
    return layer


def _with(supplies: Supplies, build: Callable[..., Any]) -> Callable[..., Any]:
    """The method `build`, which may run later, with what held when it was made."""

    @functools.wraps(build)
    def with_supplies(*args: Any, **kwargs: Any) -> Any:
        with supplied(supplies), _inside.opened():
            return build(*args, **kwargs)

    return with_supplies


def _around_init(cls: type) -> Callable[..., Any] | None:
    """What to run around the constructor of a class; None for nothing."""
    if cls not in _arounds:
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        roles = roles_of(signature)
        is_needed = roles or cls in _COPY_IN_INIT
        around = functools.partial(_init, signature, roles) if is_needed else None
        _arounds[cls] = around
    return _arounds[cls]


def _init(
    signature: inspect.Signature,
    roles: dict[str, str],
    original: Callable[..., Any],
    layer: layers.Layer,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Around a constructor: fills in the initializers that it was not given."""
    supplies = _current()
    if not supplies:
        return original(layer, *args, **kwargs)
    try:
        bound = signature.bind(layer, *args, **kwargs)
    except TypeError:
        # Python says what is wrong.
        return original(layer, *args, **kwargs)
    for argument, role in roles.items():
        supply, given = supplies.get(role), bound.arguments.get(argument)
        if supply is None:
            continue
        if given is None:
            given = supply.make(axes_arguments(layer, argument, bound))
        elif _inside.values():
            given = supply.own_seed(given)
        bound.arguments[argument] = given
    with _inside.opened():
        return original(*bound.args, **bound.kwargs)


def _add_weight(
    original: Callable[..., Any], layer: layers.Layer, *args: Any, **kwargs: Any
) -> keras.Variable:
    """Around `Layer.add_weight`: a kernel without an initializer gets one."""
    supply = _current().get("kernel")
    arguments = None if supply is None else weight_arguments(layer, args, kwargs)
    if supply is None or arguments is None or not has_default_initializer(arguments):
        return original(layer, *args, **kwargs)
    shape = arguments.get("shape")
    if isinstance(shape, Sequence) and len(shape) > 1:
        arguments["initializer"] = supply.make({})
    return original(layer, **arguments)


_HOOKS = Hooks(
    (layers.Layer, "__new__", _new), (layers.Layer, "add_weight", _add_weight)
)
