"""Opens `.keras`, `.weights.h5` and `.weights.json` files, and executes nothing.

A `.keras` file is a zip archive with `config.json` and `model.weights.h5`. Here the
first is read as plain JSON, for the names and the order of layers. No object is made of
it. The second holds arrays, and what points out of the file is refused.
"""

import contextlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_initx import _validate
from keras_initx.schemes._warm_start.broken_files import broken_file, check_member
from keras_initx.schemes._warm_start.file_layers import file_layers
from keras_initx.schemes._warm_start.saved_config import SavedConfig
from keras_initx.schemes._warm_start.stored_layers import StoredLayer

_OWNER = "warm_start"
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_KINDS = (".keras", ".weights.h5", ".weights.json")
# What reading raises where a part of the file is missing or is something else.
_BROKEN = (
    *(OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(KeyError, AttributeError, TypeError, UnicodeDecodeError, json.JSONDecodeError),
)


@contextlib.contextmanager
def opened(source: str | os.PathLike[str]) -> Iterator[StoredLayer]:
    """The tree of layers in a file, whose arrays can be read within the context."""
    path = Path(source)
    if not path.name.endswith(_KINDS) or not path.is_file():
        raise _wrong_file(path)
    with contextlib.ExitStack() as stack:
        try:
            files, config = _files(path, stack)
            layers = file_layers(files, config)
        except _BROKEN as error:
            raise broken_file(str(path), error) from error
        yield layers


def _files(path: Path, stack: contextlib.ExitStack) -> tuple[list[Any], SavedConfig]:
    """The open HDF5 files of a source, and what its config says."""
    import h5py

    if path.name.endswith(".weights.h5"):
        return [stack.enter_context(h5py.File(path, "r"))], SavedConfig()
    if path.name.endswith(".weights.json"):
        shards = _shards(json.loads(path.read_text("utf-8")))
        names = [path.with_name(Path(name).name) for name in shards]
        files = [stack.enter_context(h5py.File(name, "r")) for name in names]
        return files, SavedConfig()
    archive = stack.enter_context(zipfile.ZipFile(path))
    config = SavedConfig(json.loads(_member(archive, _CONFIG)))
    weights = io.BytesIO(_member(archive, _WEIGHTS))
    return [stack.enter_context(h5py.File(weights, "r"))], config


def _shards(index: dict[str, Any]) -> list[str]:
    """The files that a `.weights.json` names, each once."""
    files = index["weight_map"].values()
    names = [[each] if isinstance(each, str) else each for each in files]
    return list(dict.fromkeys(name for each in names for name in each))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One file of an archive."""
    info = archive.getinfo(name)
    check_member(name, info.file_size, info.compress_size)
    return archive.read(name)


def _wrong_file(path: Path) -> ValueError:
    what = "which is no file"
    if path.is_file():
        what = "whose name ends in none of these"
    return _validate.error(
        _OWNER,
        "`source` to be a Keras model, or a file with the ending '.keras', "
        "'.weights.h5' or '.weights.json'",
        f"source={str(path)!r}, {what}",
        "Write one with `model.save('model.keras')`.",
    )
