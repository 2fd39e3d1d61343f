"""The tree of the layers in a weights file."""

import functools
from typing import Any

import numpy as np

from keras_initx import _validate
from keras_initx.schemes._warm_start.broken_files import broken_file, check_member
from keras_initx.schemes._warm_start.model_layers import plain
from keras_initx.schemes._warm_start.saved_config import SavedConfig
from keras_initx.schemes._warm_start.stored_layers import (
    StoredLayer,
    StoredVariable,
    container_of,
    without_name_of_model,
)

# In a file, the arrays of a layer stand in a group of this name.
_VARS = "vars"
# What belongs to the training and not to the model.
_TRAINING = {"optimizer", "compile_metrics", "compile_loss"}


def file_layers(files: list[Any], config: SavedConfig) -> StoredLayer:
    """The tree in one HDF5 file, or in the shards of one.

    Args:
        files: list of h5py.File.
        config: SavedConfig. What else is known about the layers.
    """
    root = StoredLayer("")
    for file in files:
        _read(file, root, "", config)
    for name in _TRAINING:
        root.children.pop(name, None)
    return without_name_of_model(root)


def _read(group: Any, layer: StoredLayer, place: str, config: SavedConfig) -> None:
    """Adds what a group has to a layer, of which it is a part."""
    import h5py

    for key in group:
        member = _inside(group, key)
        if not isinstance(member, h5py.Group):
            continue
        if key == _VARS and not place:
            _read_variables(member, layer, config)
        elif _VARS in member:
            _read(member, _child(layer, place + key, member), "", config)
        else:
            # A list of layers, which is no layer itself.
            _read(member, layer, f"{place}{key}/", config)
    if not place:
        _rank(layer, config)


def _child(layer: StoredLayer, key: str, group: Any) -> StoredLayer:
    name = _inside(group, _VARS).attrs.get("name", "")
    name = name if isinstance(name, str) else ""
    return layer.children.setdefault(key, StoredLayer(name))


def _rank(layer: StoredLayer, config: SavedConfig) -> None:
    """The order of the layers of a model, if the config says it for all of them."""
    members = [c for key, c in layer.children.items() if container_of(key) == "layers"]
    ranks = config.order_of(layer.name, [each.name for each in members])
    for member in members:
        member.rank = ranks.get(member.name)


def _read_variables(group: Any, layer: StoredLayer, config: SavedConfig) -> None:
    import h5py

    name = group.attrs.get("name", "")
    layer.name = layer.name or (name if isinstance(name, str) else "")
    keys = sorted(group, key=lambda key: (len(key), key))
    names = config.variable_names(layer.name, len(keys))
    for place, key in enumerate(keys):
        dataset = _inside(group, key)
        if not isinstance(dataset, h5py.Dataset):
            continue
        is_bfloat16 = dataset.attrs.get("dtype") == "bfloat16"
        layer.variables[key] = StoredVariable(
            path=dataset.name.strip("/"),
            name=names[place] if names else None,
            shape=tuple(dataset.shape),
            read=functools.partial(_values, dataset, is_bfloat16),
            is_float=is_bfloat16 or dataset.dtype.kind == "f",
        )


def _inside(group: Any, key: str) -> Any:
    """A member of a group, which stands in the file itself."""
    import h5py

    kind = group.get(key, getclass=True, getlink=True)
    if kind is not h5py.HardLink:
        raise _points_outside(f"{group.name}/{key}", kind.__name__)
    member = group[key]
    if isinstance(member, h5py.Dataset):
        if member.external or member.is_virtual:
            raise _points_outside(member.name, "external dataset")
        size = int(np.prod(member.shape, dtype=object)) * member.dtype.itemsize
        check_member(member.name, size, member.id.get_storage_size())
    return member


def _values(dataset: Any, is_bfloat16: bool) -> np.ndarray:
    """The array; NumPy has no bfloat16, which is the upper half of a float32."""
    try:
        array = dataset[()]
    except OSError as error:
        raise broken_file(dataset.name, error) from error
    if is_bfloat16 and array.dtype.itemsize == 2:
        words = np.ascontiguousarray(array).view("uint16").astype("uint32")
        return (words << np.uint32(16)).view("float32")
    return plain(array)


def _points_outside(name: str, kind: str) -> ValueError:
    return _validate.error(
        "warm_start",
        "a file whose arrays are stored in it",
        f"{name.replace('//', '/')!r}, which is a link or dataset of the kind {kind}",
        "Keras writes no such files: do not use it.",
    )
