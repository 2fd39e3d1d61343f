"""What the variables of a layer are when the layer is new.

A built layer has forgotten how its variables were drawn: a variable drops its
initializer, and `LSTM` makes one on the way. So the layer is made once more from its
own configs, in a scope in which Keras draws nothing: the variables of this twin still
have what would draw them.
"""

import inspect
import json
from typing import Any

import keras

from keras_initx._backend.global_seeds import set_global_seeds
from keras_initx._backend.seeds import folded
from keras_initx._keras import is_of_keras, preserve_names, waiting_initializer
from keras_initx._kernel.with_axes import with_axes
from keras_initx._model.layer_tree import own_variables, without_number

Initializer = keras.initializers.Initializer
# The name and the shape of a variable, and what draws it.
Draw = tuple[str, tuple[int, ...], Any]


class FreshLayer:
    """The initializers of a layer, as a new layer with the same configs has them.

    What the layer draws comes from `seed`, also where its config names another one: a
    second layer with an integer seed would have the same weights.

    Args:
        layer: keras.layers.Layer.
        seed: int.
        known: dict. What layers with equal configs draw, to be filled and used.

    Attributes:
        problem: str. Why the layer cannot be made again; empty if it can.
    """

    def __init__(
        self, layer: keras.layers.Layer, seed: int, known: dict[str, list[Draw]]
    ) -> None:
        self._layer = layer
        self.problem = ""
        try:
            self._draws = _draws_of(layer, seed, known)
        except Exception as error:
            self._draws = []
            text = str(error).strip().splitlines() or [""]
            self.problem = f"{type(error).__name__}: {text[0]}"[:120]

    def initializer(self, variable: keras.Variable) -> Any:
        """What draws this variable; None if that cannot be known.

        Each variable of the new layer serves one variable of the layer.
        """
        wanted = _place_of(variable)
        for place, (name, shape, initializer) in enumerate(self._draws):
            if (name, shape) == wanted:
                del self._draws[place]
                return initializer
        # `kernel_initializer` is what a layer calls it.
        named = getattr(self._layer, f"{variable.name}_initializer", None)
        return named if isinstance(named, Initializer) and self.problem else None


def has_seed(initializer: Any) -> bool:
    """Whether this initializer draws from a seed that one can give it."""
    return "seed" in initializer.get_config()


def _draws_of(
    layer: keras.layers.Layer, seed: int, known: dict[str, list[Draw]]
) -> list[Draw]:
    """The name, the shape and the initializer of each variable of a new layer."""
    config, build_config = layer.get_config(), layer.get_build_config()
    key = _key(layer, config, build_config)
    if key in known:
        return list(known[key])
    # Initializers and generators without a seed take one from Python when made.
    set_global_seeds(seed)
    with preserve_names(), keras.StatelessScope(initialize_variables=False):
        twin = _made_again(layer, config)
        _give_seeds(twin, seed)
        if len(own_variables(twin)) < len(own_variables(layer)):
            twin.build_from_config(build_config)
    draws = [
        (*_place_of(each), waiting_initializer(each)) for each in own_variables(twin)
    ]
    # A function may have drawn a seed when it was made. An initializer gets one later.
    if key and all(isinstance(initializer, Initializer) for *_, initializer in draws):
        known[key] = list(draws)
    return draws


def _made_again(layer: keras.layers.Layer, config: Any) -> keras.layers.Layer:
    """A new layer with this config. A class without arguments needs none."""
    arguments = list(inspect.signature(type(layer).__init__).parameters)
    return type(layer)() if arguments == ["self"] else type(layer).from_config(config)


def _place_of(variable: keras.Variable) -> tuple[str, tuple[int, ...]]:
    """The name and the shape of a variable; those of one layer also have an order."""
    return without_number(variable.name, "Variable"), tuple(variable.shape)


def _key(layer: keras.layers.Layer, config: Any, build_config: Any) -> str:
    """What two layers have in common that draw alike; empty if that is not known."""
    if not is_of_keras(layer):
        return ""
    try:
        return json.dumps(
            [type(layer).__name__, {**config, "name": ""}, build_config],
        )
    except TypeError:
        return ""


def _give_seeds(twin: keras.layers.Layer, seed: int) -> None:
    """Gives each initializer that a layer holds a seed of its own."""
    for name, value in list(vars(twin).items()):
        if isinstance(value, Initializer) and has_seed(value):
            setattr(twin, name, with_axes(value, None, folded(seed, name)))
