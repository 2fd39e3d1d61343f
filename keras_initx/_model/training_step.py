"""A model's own training step as a layer, for models that have no `call`.

Such a model (an autoencoder, an adversarial network) calls its sub-models in its
`train_step`. To watch them, the step runs once, eagerly, on one batch. Nothing of it
stays: the optimizers apply no gradient, and weights, metrics and seeds are put back.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_initx import _validate
from keras_initx._backend import saved, stored, view
from keras_initx._backend.global_seeds import preserve_global_seeds
from keras_initx._backend.training import run_train_step
from keras_initx._keras import (
    direct_sublayers,
    global_seed_state,
    named_sublayers,
    outside_stateless_scope,
    trained_variables,
)
from keras_initx._model.batches import (
    is_data_set,
    one_labelled_batch,
    training_batch,
)
from keras_initx._model.preserve import preserve_state
from keras_initx._model.sublayers import sublayers

# What a callback calls.
_FUNCTIONS = {"LSUV": "lsuv", "SignalMonitor": "signal_report"}
_NO_CALL = (keras.Model.call, keras.layers.Layer.call)


def has_call(model: keras.layers.Layer) -> bool:
    """Whether the model can be called; if not, it has only a `train_step`."""
    return not isinstance(model, keras.Model) or type(model).call not in _NO_CALL


def check_model(owner: str, model: Any, advice: str = "") -> None:
    """Raises a `ValueError` unless this is a model or a layer that can be called."""
    if not isinstance(model, keras.layers.Layer):
        raise _validate.error(
            owner,
            "a Keras model or layer",
            f"model={model!r}",
            "Pass the model itself.",
        )
    if not has_call(model):
        raise cannot_call(owner, model, advice)


def cannot_call(owner: str, model: keras.Model, advice: str = "") -> ValueError:
    """The error for a model without `call`, which names its sub-models."""
    return _validate.error(
        owner,
        "a model with a `call` method",
        f"a model of class {type(model).__name__}, which has none",
        f"{_call_on_parts(owner, model)} {advice}".rstrip(),
    )


class TrainingStep(keras.layers.Layer):
    """The training step of a model on one batch, as a layer.

    Its sublayers are the parts of the model that the step trains. It runs once to find
    them: a teacher, which the step only calls, must keep its weights.

    Args:
        owner: str. Who asks, for errors.
        model: keras.Model. A compiled one.
        data: What `train_step` gets.
    """

    def __init__(self, owner: str, model: keras.Model, data: Any) -> None:
        if not getattr(model, "compiled", False):
            raise cannot_call(owner, model, "Or compile the model.")
        # The policy keeps Keras from casting what only passes through.
        super().__init__(name=model.name, dtype="float32", autocast=False)
        data = keras.tree.map_structure(_as_tensor, data)
        trained = _find_trained(owner, model, data)
        self.parts = [
            part
            for part in direct_sublayers(model)
            if not part.trainable_variables
            or any(id(variable) in trained for variable in part.trainable_variables)
        ]
        # Not an attribute: the model is no part of this layer.
        self._run = functools.partial(_run, model, data, trained)

    def call(self, inputs: Any, training: Any = None) -> None:
        """Runs the step. The inputs are part of its data already."""
        self._run()


def _as_tensor(leaf: Any) -> Any:
    return leaf if leaf is None else keras.ops.convert_to_tensor(leaf)


def step_on(
    owner: str, model: keras.Model, x: Any, y: Any = None, sample_weight: Any = None
) -> tuple[TrainingStep, Any]:
    """The training step on the batch that `fit` would take first, and its inputs."""
    if y is not None or not is_data_set(x):
        labelled = one_labelled_batch(owner, x, y, sample_weight)
        data = keras.utils.pack_x_y_sample_weight(*labelled)
    else:
        data = training_batch(owner, x, 1)
    step = TrainingStep(owner, model, data)
    return step, inputs_of(data)


def inputs_of(batch: Any) -> Any:
    """What of a batch of `fit` a model is called with."""
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _find_trained(owner: str, model: keras.Model, data: Any) -> set[int]:
    """The identities of the variables that a step hands to an optimizer.

    All trainable ones, if it hands over none: it may have an update of its own.
    """
    trained: set[int] = set()
    try:
        _run(model, data, trained)
    except Exception as error:
        raise _validate.error(
            owner,
            "a `train_step` that can run eagerly, where there is no `call`",
            f"{type(error).__name__} in the `train_step` of {type(model).__name__}: "
            f"{error}".rstrip("."),
            _call_on_parts(owner, model),
        ) from error
    return trained or {id(variable) for variable in model.trainable_variables}


def _run(model: keras.Model, data: Any, trained: set[int]) -> None:
    """Runs the step once. Its updates are held back, and its state is put back.

    The variables in `trained` may change meanwhile: by the scheme that watches.
    """
    kept = [v for v in model.trainable_variables if id(v) not in trained]
    with contextlib.ExitStack() as stack:
        # What is put back is put on the variables.
        stack.enter_context(outside_stateless_scope())
        stack.enter_context(preserve_global_seeds())
        stack.enter_context(preserve_state(model))
        stack.enter_context(_preserve([*kept, *_training_variables(model)]))
        for optimizer in _members(model, keras.optimizers.Optimizer):
            stack.enter_context(_hold_back(optimizer, trained))
        run_train_step(model, data, sublayers(model))


@contextlib.contextmanager
def _hold_back(
    optimizer: keras.optimizers.Optimizer, trained: set[int]
) -> Iterator[None]:
    """A context in which an optimizer updates nothing, but tells what it would."""

    def apply(grads: Any, trainable_variables: Any = None) -> None:
        given = trainable_variables
        variables = list(trained_variables(optimizer) if given is None else given)
        for gradient, variable in zip(grads, variables, strict=True):
            if gradient is not None:
                trained.add(id(variable))

    def stateless_apply(
        optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> tuple[Any, Any]:
        apply(grads)
        return trainable_variables, optimizer_variables

    attributes = vars(optimizer)
    attributes["apply"], attributes["stateless_apply"] = apply, stateless_apply
    try:
        yield
    finally:
        del attributes["apply"], attributes["stateless_apply"]


@contextlib.contextmanager
def _preserve(variables: list[keras.Variable]) -> Iterator[None]:
    """A context after which these variables are as before."""
    before = [(variable, saved(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in before:
            if not np.array_equal(view(stored(variable)), np.asarray(value)):
                variable.assign(value)


def _training_variables(model: keras.Model) -> list[keras.Variable]:
    """The variables of a training that are not the model's."""
    holders = _members(model, keras.optimizers.Optimizer)
    holders += _members(model, keras.metrics.Metric)
    found = [*model.metrics_variables, global_seed_state()]
    for holder in holders:
        found += holder.variables
    return list({id(v): v for v in found if v is not None}.values())


def _members(model: keras.Model, kind: type) -> list[Any]:
    """The attributes of a kind, also those in lists and dicts."""
    found = []
    for value in list(vars(model).values()):
        members = [value]
        if isinstance(value, list | tuple):
            members = list(value)
        elif isinstance(value, dict):
            members = list(value.values())
        found += [member for member in members if isinstance(member, kind)]
    return list({id(member): member for member in found}.values())


def _call_on_parts(owner: str, model: keras.Model) -> str:
    """The advice to take a part of the model, which names them."""
    names = [
        f"`model.{name}`"
        for name, value in named_sublayers(model).items()
        if value.trainable_variables
    ]
    parts = " or ".join(names) or "its sub-models"
    return f"Call `{_FUNCTIONS.get(owner, owner)}` on {parts}."
