"""The path of a layer that runs, as its row shows it."""

from keras_initx._model.layer_tree import label
from keras_initx._model.observer import LayerCall


def path_of(call: LayerCall) -> str:
    """The layer's path; a layer without weights may have none."""
    layer, parents = call.layer, call.parents[1:]
    if layer.path:
        return layer.path
    prefix = (label(parents[-1]),) if parents else ()
    return "/".join((*prefix, layer.name))
