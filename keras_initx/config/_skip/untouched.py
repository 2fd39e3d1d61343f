"""Weights that were not drawn, until somebody sets them or trains them.

A weight is marked when it is made. The mark goes when a value is assigned, as all ways
of Keras to load weights do. A framework may write to its own tensors, past Keras: so a
marked weight is also looked at before it is reported. While there are marks, what
trains and what assigns has a function around it.
"""

import threading
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import stored, view
from keras_initx._backend.eagerly import eagerly
from keras_initx._keras import trained_variables
from keras_initx._kernel.contexts import Contexts
from keras_initx._model.hooks import Hooks

# Whether weights are left undrawn: what the innermost block says.
skipping = Contexts("skip_init")

_lock = threading.RLock()
_marks: dict[int, weakref.ref] = {}
_is_held = False
_NAMED = 3
_CHUNK = 2**20


def mark(variable: keras.Variable) -> None:
    """This weight was not drawn."""
    global _is_held
    key = id(variable)
    with _lock:
        _marks[key] = weakref.ref(variable, lambda _: _unmark(key))
        if not _is_held:
            _is_held = True
            HOOKS.hold()


def _unmark(*keys: int) -> None:
    """Takes marks off. Python calls this too, for a variable that is deleted."""
    global _is_held
    with _lock:
        for key in keys:
            _marks.pop(key, None)
        if _is_held and not _marks:
            _is_held = False
            HOOKS.release()


def _is_marked(variable: keras.Variable) -> bool:
    found = _marks.get(id(variable))
    return found is not None and found() is variable


def _report(variables: Iterable[keras.Variable]) -> None:
    """Warns of those that nobody has set, once."""
    marked = [variable for variable in variables if _is_marked(variable)]
    untouched = [v.path for v in marked if _is_zero(v)]
    _unmark(*(id(variable) for variable in marked))
    if not untouched:
        return
    more = len(untouched) - _NAMED
    names = ", ".join(untouched[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    warnings.warn(
        f"`skip_init` has left weights at zero, and now they are trained: "
        f"{names}. Units that start equal stay equal. Before training, load "
        "a checkpoint, for example by `model.load_weights(path)`, or draw the weights "
        "by `keras_initx.schemes.reinitialize(model)`.",
        stacklevel=4,
    )


@eagerly
def _is_zero(variable: keras.Variable) -> bool:
    """Whether all values of the variable are zero, also while a program is traced."""
    try:
        values = view(stored(variable))
    except TypeError:
        # JAX takes the values off the variables while `fit` runs.
        return False
    if not isinstance(values, np.ndarray):
        return not bool(ops.any(values))
    values = values.reshape(-1)
    starts = range(0, values.size, _CHUNK)
    return not any(values[start : start + _CHUNK].any() for start in starts)


def _train(
    original: Callable[..., Any], model: keras.Model, *args: Any, **kwargs: Any
) -> Any:
    """Around `fit` and `train_on_batch`. What they build themselves is drawn."""
    _report(model.weights)
    with skipping.opened(False):
        return original(model, *args, **kwargs)


def _apply(
    original: Callable[..., Any],
    optimizer: keras.optimizers.Optimizer,
    grads: Any,
    trainable_variables: Any = None,
) -> Any:
    """Around `Optimizer.apply`, for loops of training of one's own."""
    if trainable_variables is not None:
        trainable_variables = list(trainable_variables)
    _report(trainable_variables or trained_variables(optimizer))
    return original(optimizer, grads, trainable_variables)


def _assign(
    original: Callable[..., Any], variable: keras.Variable, *args: Any, **kwargs: Any
) -> Any:
    """Around `Variable.assign`."""
    result = original(variable, *args, **kwargs)
    if _is_marked(variable):
        _unmark(id(variable))
    return result


HOOKS = Hooks(
    (keras.Model, "fit", _train),
    (keras.Model, "train_on_batch", _train),
    (keras.optimizers.Optimizer, "apply", _apply),
    (keras.Variable, "assign", _assign),
)
