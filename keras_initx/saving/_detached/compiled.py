"""How a model was compiled, given to a copy of it."""

from typing import Any

import keras

from keras_initx.saving._detached.rebuild import explained
from keras_initx.saving._detached.state import Pairs, copy_optimizer


def compile_copy(
    model: keras.Model, copy: keras.Model, config: dict[str, Any], pairs: Pairs
) -> None:
    """Compiles the copy as the model is, with the state of each optimizer."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and "optimizer" in config:
        # As it is now: whether the loss is scaled stands nowhere else.
        config["optimizer"] = keras.saving.serialize_keras_object(optimizer)
    with explained(model):
        if _compiles_as_keras(copy):
            arguments = keras.saving.deserialize_keras_object(config, safe_mode=False)
            copy.compile(**arguments, auto_scale_loss=False)
        else:
            copy.compile_from_config(config)
    for name, value in list(vars(model).items()):
        other = vars(copy).get(name)
        if isinstance(value, keras.optimizers.Optimizer) and isinstance(
            other, keras.optimizers.Optimizer
        ):
            copy_optimizer(value, other, model, pairs)


def _compiles_as_keras(model: keras.Model) -> bool:
    """Whether the class of the model has no such methods of its own."""
    return all(
        getattr(type(model), name) is getattr(keras.Model, name)
        for name in ("compile", "compile_from_config")
    )
