"""The Python code that gets at each layer of a model, for lines that can be pasted."""

import collections

import keras

from keras_initx._keras import direct_sublayers, named_sublayers


def code_in(model: keras.layers.Layer, layer: keras.layers.Layer) -> str:
    """The code that gives a layer of the model; empty where it is not known."""
    return next((code for each, code in codes_of(model) if each is layer), "")


def codes_of(model: keras.layers.Layer) -> list[tuple[keras.layers.Layer, str]]:
    """Each layer below a model and code such as `model.get_layer("dense")`.

    An attribute comes before a name. A layer that neither leads to is left out.
    """
    found, waiting = {id(model)}, collections.deque([(model, "model")])
    codes = []
    while waiting:
        parent, code = waiting.popleft()
        codes.append((parent, code))
        children = direct_sublayers(parent)
        named = parent.layers if isinstance(parent, keras.Model) else []
        places = {id(child) for child in named}
        names = collections.Counter(child.name for child in named)
        attributes = {
            id(child): name
            for name, child in named_sublayers(parent).items()
            if name.isidentifier() and not name.startswith("_")
        }
        for child in children:
            if id(child) in found:
                continue
            if id(child) in attributes:
                own = f".{attributes[id(child)]}"
            elif id(child) in places and names[child.name] == 1:
                own = f'.get_layer("{child.name}")'
            else:
                continue
            found.add(id(child))
            waiting.append((child, code + own))
    return codes
