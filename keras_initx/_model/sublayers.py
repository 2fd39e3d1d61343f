"""A layer and all that is below it."""

import collections

import keras

from keras_initx._keras import direct_sublayers

# What runs within these is a part of their loop over time.
OPAQUE = (keras.layers.RNN,)


def sublayers(
    layer: keras.layers.Layer, with_cells: bool = False
) -> list[keras.layers.Layer]:
    """The layer and what is below it, each once, in the order of their parents.

    Args:
        layer: keras.layers.Layer.
        with_cells: bool. Whether also what runs within a loop. Defaults to `False`.
    """
    found = {id(layer): layer}
    waiting = collections.deque([layer])
    while waiting:
        parent = waiting.popleft()
        if isinstance(parent, OPAQUE) and not with_cells:
            continue
        for child in direct_sublayers(parent):
            if id(child) not in found:
                found[id(child)] = child
                waiting.append(child)
    return list(found.values())
