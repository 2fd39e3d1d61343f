"""One step of an optimizer on copies of a model's variables."""

import contextlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import saved, stored
from keras_initx._backend.arithmetic import norm
from keras_initx._keras import is_decayed, preserve_names
from keras_initx._model.optimizers import rate_of
from keras_initx._model.tensors import as_array

# What acts on the sum of several gradients, or on the weights after many steps.
_LATER: dict[str, Any] = {
    "gradient_accumulation_steps": None,
    "loss_scale_factor": None,
    "use_ema": False,
}


def step_on_copies(
    optimizer: keras.optimizers.Optimizer,
    gradients: dict[int, tuple[keras.Variable, Any]],
) -> tuple[dict[int, keras.Variable], float, float | None] | None:
    """Copies of the variables after the step; the change of the loss; the decay."""
    variables = [variable for variable, _ in gradients.values()]
    with preserve_names():
        copies = [_copy(variable) for variable in variables]
        twin = _twin(optimizer, variables, copies)
    if twin is None:
        return None
    values = [gradient for _, gradient in gradients.values()]
    twin.apply(values, copies)
    weight_decay = rate_of(optimizer) * float(optimizer.weight_decay or 0.0)
    predicted = decayed = learned = 0.0
    for variable, copy, gradient in zip(variables, copies, values, strict=True):
        old = as_array(stored(variable)).astype("float32")
        change = as_array(stored(copy)).astype("float32") - old
        slope = as_array(gradient).astype("float32")
        predicted += float(np.vdot(slope, change))
        if weight_decay and variable.ndim > 1 and is_decayed(optimizer, variable):
            decayed += norm(weight_decay * old) ** 2
            learned += norm(change + weight_decay * old) ** 2
    decay = float(np.sqrt(decayed / learned)) if decayed and learned else None
    new = {id(v): copy for v, copy in zip(variables, copies, strict=True)}
    return new, predicted, decay


def _copy(variable: keras.Variable) -> keras.Variable:
    """A variable of the same value and path, for an optimizer that looks at these."""
    *scopes, name = variable.path.split("/")
    with contextlib.ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        return keras.Variable(
            ops.copy(ops.convert_to_tensor(saved(variable))),
            dtype=variable.dtype,
            name=name,
        )


def _twin(
    optimizer: keras.optimizers.Optimizer,
    variables: list[keras.Variable],
    copies: list[keras.Variable],
) -> keras.optimizers.Optimizer | None:
    """A new optimizer of the same configuration, for the copies."""
    config = optimizer.get_config()
    config |= {name: value for name, value in _LATER.items() if name in config}
    config["learning_rate"] = rate_of(optimizer)
    try:
        twin = type(optimizer).from_config(config)
    except Exception:
        # A class whose configuration does not make one cannot be saved either.
        return None
    kept = [
        copy
        for variable, copy in zip(variables, copies, strict=True)
        if not is_decayed(optimizer, variable)
    ]
    if optimizer.weight_decay and kept:
        twin.exclude_from_weight_decay(var_list=kept)
    twin.build(copies)
    return twin
