"""The Python code that gets at each layer of a model, for lines that can be pasted."""

import collections

import keras

from keras_initx._keras import direct_sublayers, named_sublayers
from keras_initx.diagnostics._measure.signal_pass import SignalPass


def name_rows(model: keras.layers.Layer, seen: SignalPass) -> None:
    """Notes in each row the code that gives its layer."""
    for layer, code in codes_of(model):
        row = seen.row_of(layer)
        if row is not None:
            row.code = code


def codes_of(model: keras.layers.Layer) -> list[tuple[keras.layers.Layer, str]]:
    """Each layer below a model and code such as `model.get_layer("dense")`.

    A layer that neither a name nor an attribute leads to is left out.
    """
    found, waiting = {id(model)}, collections.deque([(model, "model")])
    codes = []
    while waiting:
        parent, code = waiting.popleft()
        codes.append((parent, code))
        children = direct_sublayers(parent)
        named = parent.layers if isinstance(parent, keras.Model) else []
        names = collections.Counter(child.name for child in named)
        attributes = {
            id(child): name
            for name, child in named_sublayers(parent).items()
            if not name.startswith("_")
        }
        for child in children:
            if id(child) in found:
                continue
            if any(child is other for other in named) and names[child.name] == 1:
                own = f'.get_layer("{child.name}")'
            elif id(child) in attributes:
                own = f".{attributes[id(child)]}"
            else:
                continue
            found.add(id(child))
            waiting.append((child, code + own))
    return codes
