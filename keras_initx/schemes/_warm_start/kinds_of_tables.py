"""Which variables are tables of words, and which are tables of positions."""

import keras
from keras import layers

from keras_initx._model.sublayers import sublayers
from keras_initx.schemes._warm_start.grid_positions import grid_sizes

_IMAGES = (layers.Conv2D,)


def is_of_positions(layer: keras.layers.Layer, variable: keras.Variable) -> bool:
    """Whether a variable is a table of positions, by its name or its layer's."""
    names = (type(layer).__name__, variable.path)
    has_name = any("pos" in name.lower() for name in names)
    return has_name and variable.ndim > 1 and not _is_kernel(variable)


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


def _is_kernel(variable: keras.Variable) -> bool:
    return "kernel" in variable.name
