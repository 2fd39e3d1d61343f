"""One step of an optimizer on copies of a model's variables."""

import contextlib
import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import saved, stored
from keras_initx._backend.arithmetic import norm
from keras_initx._keras import is_decayed, is_of_keras, preserve_names
from keras_initx._model.optimizers import rate_of
from keras_initx._model.tensors import as_array

# What acts on the sum of several gradients, or on the weights after many steps.
_LATER: dict[str, Any] = {
    "gradient_accumulation_steps": None,
    "loss_scale_factor": None,
    "use_ema": False,
}
# Their steps go number by number, so that many variables can be stepped as one. That
# saves an operation for each, which JAX would compile for each shape.
_BY_NUMBER = (
    keras.optimizers.SGD,
    keras.optimizers.RMSprop,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adadelta,
    keras.optimizers.Adagrad,
    keras.optimizers.Adamax,
    keras.optimizers.Nadam,
    keras.optimizers.Ftrl,
    keras.optimizers.Lion,
)


@dataclasses.dataclass
class Step:
    """What a step does.

    Attributes:
        values: dict. For the identity of each variable its value after the step.
        changes: dict. The norm of its change.
        predicted: float. The change of the loss by the gradient.
        decay: float or None. What the weight decay takes off, over what is learned.
    """

    values: dict[int, Any]
    changes: dict[int, float]
    predicted: float
    decay: float | None


def step_on_copies(
    optimizer: keras.optimizers.Optimizer,
    gradients: dict[int, tuple[keras.Variable, Any]],
) -> Step | None:
    """The step of an optimizer like this one; None if none can be made."""
    groups = _groups(optimizer, [variable for variable, _ in gradients.values()])
    with preserve_names():
        copies = [_copy(group, place) for place, group in enumerate(groups)]
        twin = _twin(optimizer, groups, copies)
    if twin is None:
        return None
    slopes = [[gradients[id(v)][1] for v in group] for group in groups]
    values = [_joined(s, c) for s, c in zip(slopes, copies, strict=True)]
    twin.apply(values, copies)
    new: dict[int, Any] = {}
    for group, copy in zip(groups, copies, strict=True):
        new |= _split(stored(copy), group)
    return _compared(optimizer, gradients, new)


def _compared(
    optimizer: keras.optimizers.Optimizer,
    gradients: dict[int, tuple[keras.Variable, Any]],
    new: dict[int, Any],
) -> Step:
    """What the new values are beside the old ones."""
    weight_decay = rate_of(optimizer) * float(optimizer.weight_decay or 0.0)
    predicted = decayed = learned = 0.0
    changes = {}
    for key, (variable, gradient) in gradients.items():
        old = _single(as_array(stored(variable)))
        change = _single(as_array(new[key])) - old
        slope = _single(as_array(gradient))
        changes[key] = norm(change)
        predicted += float(np.vdot(slope, change))
        if weight_decay and variable.ndim > 1 and is_decayed(optimizer, variable):
            decayed += norm(weight_decay * old) ** 2
            learned += norm(change + weight_decay * old) ** 2
    decay = float(np.sqrt(decayed / learned)) if decayed and learned else None
    return Step(new, changes, predicted, decay)


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype("float32", copy=False)


def _groups(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> list[list[keras.Variable]]:
    """The variables that are stepped as one."""
    # One of one's own may do otherwise, and each gradient may be clipped by its norm.
    is_known = is_of_keras(optimizer) and isinstance(optimizer, _BY_NUMBER)
    if not is_known or optimizer.clipnorm is not None:
        return [[variable] for variable in variables]
    groups: dict[Any, list[keras.Variable]] = {}
    for variable in variables:
        kind = variable.dtype, is_decayed(optimizer, variable)
        groups.setdefault(kind, []).append(variable)
    return list(groups.values())


def _copy(group: list[keras.Variable], place: int) -> keras.Variable:
    """One variable with the numbers of all of a group.

    That of a single one has its path, for an optimizer that looks at it.
    """
    variable = group[0]
    if len(group) > 1:
        numbers = [as_array(stored(each)).ravel() for each in group]
        return keras.Variable(
            np.concatenate(numbers), dtype=variable.dtype, name=f"numbers_{place}"
        )
    *scopes, name = variable.path.split("/")
    with contextlib.ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        return keras.Variable(
            ops.copy(ops.convert_to_tensor(saved(variable))),
            dtype=variable.dtype,
            name=name,
        )


def _joined(slopes: list[Any], copy: keras.Variable) -> Any:
    """The gradients of a group as the gradient of its copy."""
    if len(slopes) == 1:
        return slopes[0]
    numbers = np.concatenate([as_array(slope).ravel() for slope in slopes])
    return ops.convert_to_tensor(numbers, dtype=copy.dtype)


def _split(value: Any, group: list[keras.Variable]) -> dict[int, Any]:
    """The value of each variable of a group."""
    if len(group) == 1:
        return {id(group[0]): value}
    numbers, found, start = as_array(value), {}, 0
    for variable in group:
        shape = tuple(variable.shape)
        end = start + int(np.prod(shape))
        part = numbers[start:end].reshape(shape)
        found[id(variable)] = ops.convert_to_tensor(part, dtype=variable.dtype)
        start = end
    return found


def _twin(
    optimizer: keras.optimizers.Optimizer,
    groups: list[list[keras.Variable]],
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
        for group, copy in zip(groups, copies, strict=True)
        if not is_decayed(optimizer, group[0])
    ]
    if optimizer.weight_decay and kept:
        twin.exclude_from_weight_decay(var_list=kept)
    twin.build(copies)
    return twin
