"""What the variables of a layer are when the layer is new.

A built layer has forgotten how its variables were drawn: a variable drops its
initializer, and `LSTM` makes one on the way. So the layer is made once more from its
own configs, in a scope in which Keras draws nothing: the variables of this twin still
have what would draw them.
"""

import random
from typing import Any

import keras
import numpy as np

from keras_initx._backend.global_seeds import set_global_seeds
from keras_initx._backend.seeds import folded
from keras_initx._keras import preserve_names, waiting_initializer
from keras_initx._kernel.with_axes import with_axes
from keras_initx._model.layer_tree import own_variables
from keras_initx._model.redraw import dtype_of

Initializer = keras.initializers.Initializer


class FreshLayer:
    """The initializers of a layer, as a new layer with the same configs has them.

    What the layer draws comes from `seed`, also where its config names another one: a
    second layer with an integer seed would have the same weights.

    Attributes:
        problem: str. Why the layer cannot be made again; empty if it can.
    """

    def __init__(self, layer: keras.layers.Layer, seed: int) -> None:
        self._layer = layer
        self._seed = seed
        self.problem = ""
        try:
            self._twins = _twin_variables(layer, seed)
        except Exception as error:
            self._twins = []
            text = str(error).strip().splitlines() or [""]
            self.problem = f"{type(error).__name__}: {text[0]}"[:120]

    def initializer(self, variable: keras.Variable) -> Any:
        """What draws this variable; None if that cannot be known.

        Each variable of the twin serves one variable of the layer.
        """
        for place, twin in enumerate(self._twins):
            if _are_alike(twin, variable):
                return waiting_initializer(self._twins.pop(place))
        # `kernel_initializer` is what a layer calls it.
        named = getattr(self._layer, f"{variable.name}_initializer", None)
        return named if isinstance(named, Initializer) and self.problem else None


def fresh_value(initializer: Any, variable: keras.Variable, seed: int) -> Any:
    """A new value for a variable, whatever its axes."""
    draws = initializer
    if isinstance(initializer, Initializer) and has_seed(initializer):
        draws = with_axes(initializer, None, seed)
    elif not isinstance(initializer, _WITHOUT_CHANCE):
        # A function of one's own may use the generators of the program.
        set_global_seeds(seed)
    return draws(tuple(variable.shape), dtype=dtype_of(variable))


def has_seed(initializer: Any) -> bool:
    """Whether this initializer draws from a seed that one can give it."""
    return "seed" in initializer.get_config()


_WITHOUT_CHANCE = (
    keras.initializers.Zeros,
    keras.initializers.Ones,
    keras.initializers.Constant,
    keras.initializers.Identity,
)


def _twin_variables(layer: keras.layers.Layer, seed: int) -> list[keras.Variable]:
    """The variables that a new layer makes, without values."""
    with preserve_names(), keras.StatelessScope(initialize_variables=False):
        # Initializers and generators without a seed take one from Python when made.
        random.seed(folded(seed, "Python"))
        np.random.seed(folded(seed, "NumPy"))  # noqa: NPY002
        twin = type(layer).from_config(layer.get_config())
        _give_seeds(twin, seed)
        if not twin.built and layer.built:
            twin.build_from_config(layer.get_build_config())
    return own_variables(twin)


def _are_alike(one: keras.Variable, other: keras.Variable) -> bool:
    """Whether two variables can be the same one of two equal layers."""
    return one.name == other.name and tuple(one.shape) == tuple(other.shape)


def _give_seeds(twin: keras.layers.Layer, seed: int) -> None:
    """Gives each initializer that a layer holds a seed of its own."""
    for name, value in list(vars(twin).items()):
        if isinstance(value, Initializer) and has_seed(value):
            setattr(twin, name, with_axes(value, None, folded(seed, name)))
