"""Every name of Keras that is not public and that we cannot do without.

Each stands in one function, which says what it gives and what still works if a release
of Keras drops the name. The package imports without any of them. `tests/test_keras.py`
calls each function with its names and without them: a new release of Keras breaks one
test, and not the programs of users.
"""

import contextlib
import copy
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras

# What a train function of JAX's trainer gets and returns.
_JAX_STATE = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)


# Names


def add_id(namespace: str, short_id: str, target: Any) -> None:
    """Lets `keras.activations.get` or `keras.constraints.get` find a string.

    Each looks strings up in a dict of its own module, and nowhere else. Without that
    dict the string is not known, and a warning says to pass the function or the object.
    """
    get = getattr(keras, namespace).get
    names = getattr(get, "__globals__", {}).get("ALL_OBJECTS_DICT")
    if isinstance(names, dict):
        names[short_id] = target
        return
    what = f"keras_initx.{target.__name__}" + "()" * isinstance(target, type)
    warnings.warn(
        f"This release of Keras has no place for {short_id!r} in `keras.{namespace}`. "
        f"Pass `{what}` instead of the string.",
        stacklevel=2,
    )


def is_of_keras(value: Any) -> bool:
    """Whether a function, or the class of a layer or a loss, is Keras's own.

    Its code is then known. Keras's classes live in modules below `keras`. Elsewhere no
    layer would be known, and LSUV would try each one instead of computing its factor.
    """
    owner = value if isinstance(value, types.FunctionType) else type(value)
    # What `exec` made has no module.
    return (owner.__module__ or "").startswith("keras.")


# Layers


def layer_being_built() -> keras.layers.Layer | None:
    """The layer whose method `build` is running, and so calls an initializer, or None.

    Keras does not tell an initializer who calls it; Python's stack does. Without such a
    frame: None, as where a user calls the initializer.
    """
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        layer = frame.f_locals.get("self") if frame.f_code.co_name == "build" else None
        if isinstance(layer, keras.layers.Layer):
            return layer
        frame = frame.f_back
    return None


def direct_sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers that a layer holds itself, in the order in which it got them.

    Without Keras's own list: those among its attributes, lists and dicts.
    """
    flatten = getattr(layer, "_flatten_layers", None)
    if flatten is not None:
        return list(flatten(include_self=False, recursive=False))
    found = {id(each): each for each in _layers_in(vars(layer)) if each is not layer}
    return list(found.values())


def _layers_in(values: Any) -> Iterator[keras.layers.Layer]:
    if isinstance(values, keras.layers.Layer):
        yield values
    elif isinstance(values, dict | list | tuple):
        for each in values.values() if isinstance(values, dict) else values:
            yield from _layers_in(each)


def named_sublayers(layer: keras.layers.Layer) -> dict[str, keras.layers.Layer]:
    """The layers among the attributes of a layer, by the names of these.

    On PyTorch they stand in the dict of a `torch.nn.Module`. Without that name: none
    there.
    """
    attributes = vars(layer) | vars(layer).get("_modules", {})
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(value, keras.layers.Layer)
    }


def names_of_graphs() -> tuple[str, ...]:
    """The attributes in which models keep their layers once more.

    A file has the weights of these layers elsewhere. With another name there, those of
    a live model could be found in two places, of which the first counts.
    """
    return "operations", "_operations", "_functional"


def own_losses(layer: keras.layers.Layer) -> tuple[list[Any], set[int]]:
    """The losses that `add_loss` gave a layer, and their identities, to be changed.

    Without them: empty ones. A watched pass then leaves its losses on the model until
    the next call, which clears them.
    """
    return getattr(layer, "_losses", []), getattr(layer, "_loss_ids", set())


def own_trainable_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The variables of a layer that are not those of its sublayers.

    Without Keras's own list: those that are left without the sublayers' ones.
    """
    found = getattr(layer, "_trainable_variables", None)
    if found is None:
        below = direct_sublayers(layer)
        others = {id(v) for each in below for v in each.trainable_variables}
        found = [v for v in layer.trainable_variables if id(v) not in others]
    return list(found)


def kernel_variable(layer: keras.layers.Layer) -> keras.Variable | None:
    """The variable by which a layer multiplies its inputs; None if there is none.

    With LoRA `kernel` is a sum, and `_kernel` the variable. Without that name only
    layers without LoRA have a kernel.
    """
    names = ("pointwise_kernel", "_kernel", "kernel")
    found = (getattr(layer, name, None) for name in names)
    return next((v for v in found if isinstance(v, keras.Variable)), None)


def embeddings_variable(layer: keras.layers.Embedding) -> keras.Variable:
    """The table of an embedding; with LoRA `embeddings` is a sum.

    Without that name: the first weight of the layer.
    """
    found = getattr(layer, "_embeddings", None)
    return layer.weights[0] if found is None else found


# Tensors and variables


def mask_of(tensor: Any) -> Any:
    """The Keras mask that a tensor carries, or None.

    Without that name there are no masks, and hidden positions count too.
    """
    return getattr(tensor, "_keras_mask", None)


def set_mask(tensor: Any, mask: Any) -> None:
    """Lets a tensor carry a mask; Keras hands it to the next layer."""
    tensor._keras_mask = mask


def stored_value(variable: keras.Variable) -> Any:
    """The tensor that a variable holds, also in a scope that casts or replaces values.

    Without that name: `variable.value`, which is the same outside of such scopes.
    """
    found = getattr(variable, "_value", None)
    return variable.value if found is None else found


def waiting_initializer(variable: keras.Variable) -> Any:
    """What will draw a variable that has no value yet, as in `keras.StatelessScope`.

    Without that name: None. What a layer draws is then known only from its attributes.
    """
    return getattr(variable, "_initializer", None)


# Operations


def _backend_of_operations() -> Any:
    """The package where `keras.ops` looks up what a backend does; None without it."""
    return getattr(keras.ops.softmax, "__globals__", {}).get("backend")


def module_of_softmax() -> Any:
    """The module whose `softmax` and `dot_product_attention` all operations call.

    Layers and `keras.ops` look both up there at each call. Without that module: None,
    and then no attention weights are seen.
    """
    module = getattr(_backend_of_operations(), "nn", None)
    return module if hasattr(module, "softmax") else None


def torch_device() -> str | None:
    """The device on which Keras makes tensors in PyTorch, such as "cpu" or "meta".

    Without that name: None. A draw then takes the longer way through `keras.random`.
    """
    core = getattr(_backend_of_operations(), "core", None)
    get_device = getattr(core, "get_device", None)
    return None if get_device is None else str(get_device())


# Seeds


def set_initial_seed(
    generator: keras.random.SeedGenerator, seed: int | None
) -> keras.random.SeedGenerator:
    """Makes `seed` what the generator's config names, and returns the generator.

    Without that name the config of a copied generator has the number 0, and not the
    seed of the original. What the copy draws is right all the same.
    """
    if hasattr(generator, "_initial_seed"):
        generator._initial_seed = seed
    return generator


# Scopes


def in_symbolic_scope() -> bool:
    """Whether Keras only asks for shapes, as where it calls a layer on `keras.Input`.

    Without that name: False. What is drawn there is then computed, for nothing.
    """
    module = sys.modules.get(keras.SymbolicScope.__module__)
    is_within = getattr(module, "in_symbolic_scope", None)
    return is_within is not None and bool(is_within())


@contextlib.contextmanager
def outside_stateless_scope() -> Iterator[None]:
    """A context without `keras.StatelessScope`: variables have their own values.

    Without the attribute `original_scope` of a scope, this cannot be done.
    """
    switch = keras.StatelessScope(initialize_variables=False)
    with switch:
        outer = switch.original_scope
        switch.original_scope = None
    # Leaving the switch has set the scope to `original_scope`, which is none.
    try:
        yield
    finally:
        switch.original_scope = outer
        if outer is not None:
            switch.__exit__()


def global_seed_state() -> keras.Variable | None:
    """The state of the generator that `keras.random` uses without a seed.

    None if Keras keeps it elsewhere: then it moves on where it is used.
    """
    try:
        module = sys.modules[keras.random.SeedGenerator.__module__]
        return module.global_seed_generator().state
    except (KeyError, AttributeError):
        return None


@contextlib.contextmanager
def preserve_names() -> Iterator[None]:
    """A context after which automatic names go on from where they were.

    Layers that are made in it and dropped leave no gap in `dense_1`, `dense_2`, and
    Keras forgets the variables that it would have given a value later. Without Keras's
    place for both: names have gaps.
    """
    try:
        state = sys.modules[keras.StatelessScope.__module__].global_state
        kept = {
            name: copy.copy(state.get_global_attribute(name))
            for name in ("object_name_uids", "uninitialized_variables")
        }
    except (KeyError, AttributeError):
        yield
        return
    try:
        yield
    finally:
        for name, value in kept.items():
            state.set_global_attribute(name, value)


# Models and their training


def compiled_loss(model: keras.Model) -> Any:
    """The loss that `compile` made: an object, which builds itself for the first batch.

    None if there is none. Without that name: None. A report then leaves a loss built
    that was not.
    """
    return getattr(model, "_compile_loss", None)


def metrics_of_loss(loss: Any) -> list[Any]:
    """The metrics of a compiled loss, as a list to change. Without the name: empty."""
    found: list[Any] = getattr(loss, "_metrics", [])
    return found


def loss_over(loss: Any, change: Callable[[Any], Any]) -> Any:
    """A compiled loss like this one, with other losses in the place of its own.

    It pairs outputs and targets as the compiled one does. None without that name.

    Args:
        loss: What `compiled_loss` gives.
        change: Callable. Makes another loss of each that `compile` was given.
    """
    given = getattr(loss, "_user_loss", None)
    if given is None:
        return None
    changed = keras.tree.map_structure(change, given)
    return type(loss)(changed, output_names=getattr(loss, "output_names", None))


def trained_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The variables that an optimizer was built for.

    Without that name: none. Copies of weights, which `ScheduleFreeAdamW` keeps, then do
    not follow the weights.
    """
    return list(getattr(optimizer, "_trainable_variables", ()))


def is_decayed(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> bool:
    """Whether the weight decay of an optimizer acts on a variable.

    `exclude_from_weight_decay` may have named it. Without that name: yes, if there is a
    weight decay at all.
    """
    if not optimizer.weight_decay:
        return False
    asked = getattr(optimizer, "_use_weight_decay", None)
    # The answers are kept in a dict: another one, so that the optimizer stays as it is.
    name, attributes = "_exclude_from_weight_decay_cache", vars(optimizer)
    before = attributes.pop(name, None)
    try:
        return asked is None or bool(asked(variable))
    finally:
        attributes.pop(name, None)
        if before is not None:
            attributes[name] = before


def attach_jax_state(model: keras.Model, state: tuple[Any, ...]) -> None:
    """Puts the state of a training in JAX on the variables, as `fit` does at times.

    Raises:
        NotImplementedError: If this release of Keras keeps that state elsewhere.
    """
    if not hasattr(model, "jax_state_sync"):
        raise _no_jax_state()
    model._jax_state = dict(zip(_JAX_STATE, state, strict=True))
    model.jax_state_sync()
    model._jax_state = None


def has_jax_values(model: keras.Model) -> bool:
    """Whether the variables of a model have their values: `fit` takes them off in JAX.

    Without that name: no, as within `fit`.
    """
    return all(getattr(v, "_value", None) is not None for v in model.variables)


def detach_jax_state(model: keras.Model, is_kept: bool = False) -> tuple[Any, ...]:
    """Takes the state off the variables again, as `fit` does before the first step.

    Args:
        model: keras.Model.
        is_kept: bool. Whether the variables keep their values too, as in
            `train_on_batch`. Defaults to `False`.

    Raises:
        NotImplementedError: If this release of Keras keeps that state elsewhere.
    """
    if not hasattr(model, "_get_jax_state"):
        raise _no_jax_state()
    parts = dict.fromkeys(_JAX_STATE, True)
    state: tuple[Any, ...] = model._get_jax_state(
        **parts, purge_model_variables=not is_kept
    )
    model._jax_state_synced = False
    return state


def _no_jax_state() -> NotImplementedError:
    return NotImplementedError(
        "This release of Keras does not show the first batch of `fit` to callbacks on "
        "JAX. Call `keras_initx.lsuv(model, x)` before `fit` instead."
    )


def spec_of_one_replica(spec: Any) -> Any:
    """What one replica gets of a value that TensorFlow distributes.

    Without that name: the same specification, which has one replica.
    """
    parts = getattr(spec, "_value_specs", None)
    return parts[0] if parts else spec
