"""A model that needs Keras only."""

import warnings

import keras

from keras_initx import _validate
from keras_initx._backend.global_seeds import preserve_global_seeds
from keras_initx.saving._detached.compiled import compile_copy
from keras_initx.saving._detached.custom_objects import custom_objects
from keras_initx.saving._detached.leftovers import leftovers
from keras_initx.saving._detached.rebuild import rebuilt
from keras_initx.saving._detached.replacements import Replacements
from keras_initx.saving._detached.state import (
    copy_trainable,
    copy_variables,
    pairs_of,
)


def detach(model: keras.Model) -> keras.Model:
    """Copies a model, with Keras's own objects in place of those of this package.

    The copy computes the same with the same weights, and trains on with the state of
    the optimizer. Saved, it loads on a machine that has only Keras. The given model
    stays as it is. The weights go through a temporary file.

    - An initializer becomes the default of the layer's argument: it does not matter
      once the weights exist.
    - `lecun_tanh`, `ShapedActivation` and `CReLU` become Keras layers that compute the
      same.
    - The constraint `Orthonormal` is dropped, and a warning says where.
    - The other layers compute what no layer of Keras does: an error names them.

    Where a mask goes through what stands for `CReLU` or for a layer with one of these
    activations, Keras warns that the mask is lost. It is not.

    Examples:
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((4,)),
    ...         keras.layers.Dense(8, kernel_initializer="haar_orthogonal"),
    ...         keras.layers.Dense(2, activation="lecun_tanh"),
    ...     ]
    ... )
    >>> copy = keras_initx.detach(model)
    >>> "keras_initx" in copy.to_json()
    False

    Args:
        model: keras.Model. A built model. Classes of your own need `get_config`.

    Returns:
        The copy: a model of the same class.

    Raises:
        ValueError: If this is no built model, if Keras cannot save it and build it
            again, or if layers or activations compute what no layer of Keras does.

    Warns:
        UserWarning: If constraints are dropped.
    """
    _check(model)
    replace = Replacements()
    known = custom_objects(model)
    with preserve_global_seeds(), keras.saving.custom_object_scope(known):
        copy, compile_config = rebuilt(model, replace)
        found = leftovers(copy)
        if found:
            raise _left(found)
        pairs = pairs_of(model, copy)
        copy_variables(model, pairs)
        if compile_config:
            compile_copy(model, copy, compile_config, pairs)
        copy_trainable(model, copy, pairs)
    if replace.dropped:
        warnings.warn(
            "`detach` drops the constraint `Orthonormal`, which Keras does not have: "
            f"{', '.join(replace.dropped)}. The copy computes the same, but training "
            "does not keep these kernels orthonormal any more.",
            stacklevel=2,
        )
    return copy


def _check(model: keras.Model) -> None:
    if not isinstance(model, keras.Model):
        raise _validate.error(
            "detach",
            "a `keras.Model`",
            f"model={model!r}",
            "Put a layer into a `keras.Sequential`.",
        )
    if not model.built:
        raise _validate.error(
            "detach",
            "a built model",
            f"the model {model.name!r}, which has no weights yet",
            "Call it on a batch first: then its initializers have drawn, and do not "
            "matter any more.",
        )


def _left(found: list[str]) -> ValueError:
    return _validate.error(
        "detach",
        "a model whose layers and activations Keras has too",
        ", ".join(found),
        "Install keras_initx where the model is loaded, or put layers of your own in "
        "place of these. What a layer of your own makes in its code it can take as an "
        "argument that its `get_config` names.",
    )
