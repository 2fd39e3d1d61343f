"""Which variables are tables of words, and which are tables of positions."""

import keras
from keras import layers

from keras_initx._keras import kernel_variable
from keras_initx._model.branches.paths import is_normalization
from keras_initx._model.sublayers import sublayers
from keras_initx.schemes._warm_start.grid_positions import grid_sizes
from keras_initx.schemes._warm_start.model_layers import snake_case

_IMAGES = (layers.Conv2D,)
_POSITIONS = {"pos", "position", "positions", "positional", "posemb", "wpe"}


def is_of_positions(layer: keras.layers.Layer, variable: keras.Variable) -> bool:
    """Whether a variable is a table of positions, by a word in its name or its layer's.

    What has a kernel is none, and neither is a normalization.
    """
    if variable.ndim < 2 or kernel_variable(layer) is not None:
        return False
    if is_normalization(layer):
        return False
    names = (snake_case(type(layer).__name__), *variable.path.split("/")[-2:])
    words = {word for name in names for word in name.lower().split("_")}
    return bool(words & _POSITIONS)


def is_of_words(layer: keras.layers.Layer, variable: keras.Variable) -> bool:
    """Whether a variable is a table of embeddings."""
    is_embedding = isinstance(layer, layers.Embedding)
    return is_embedding and variable.ndim == 2 and not is_of_positions(layer, variable)


def axis_of_words(variable: keras.Variable) -> int:
    """The axis that numbers the words; keras_hub has a transposed table as well."""
    return 1 if variable.name.startswith("reverse") else 0


def has_grid(model: keras.layers.Layer, old: int, new: int) -> bool:
    """Whether so many positions are those of a grid, in a model of images."""
    if not any(isinstance(each, _IMAGES) for each in sublayers(model)):
        return False
    try:
        grid_sizes(old, new)
    except ValueError:
        return False
    return True
