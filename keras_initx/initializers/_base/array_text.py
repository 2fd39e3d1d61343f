"""An array as plain JSON: its numbers as compressed text, or only their hash."""

import base64
import hashlib
import math
import zlib
from typing import Any

import keras
import numpy as np

from keras_initx import _validate


def array_of(owner: str, value: Any) -> np.ndarray:
    """Numbers as an array of their own, which nobody can change."""
    try:
        array = np.asarray(
            keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value
        )
        if array.dtype.name == "bfloat16":
            # NumPy itself has no such numbers.
            array = array.astype("float32")
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise _validate.error(
            owner,
            "an `array` of real numbers",
            f"array={value!r}" if np.ndim(array) == 0 else f"dtype={array.dtype}",
            "Pass a NumPy array or a tensor of floats.",
        )
    array = np.array(array, array.dtype.newbyteorder("<"), order="C")
    array.flags.writeable = False
    return array


def description_of(array: np.ndarray) -> dict[str, Any]:
    """The dtype and the shape, in plain JSON."""
    return {"dtype": array.dtype.name, "shape": list(array.shape)}


def hash_of(array: np.ndarray) -> str:
    """The SHA-256 of the numbers, their dtype and their shape."""
    hashed = hashlib.sha256(repr(description_of(array)).encode())
    hashed.update(array.data if array.size else b"")
    return hashed.hexdigest()


def to_text(array: np.ndarray) -> str:
    """The compressed numbers, as text."""
    return base64.b64encode(zlib.compress(array.tobytes())).decode()


def from_text(owner: str, written: dict[str, Any]) -> np.ndarray:
    """The array that `to_text` has written, with its description.

    Raises:
        ValueError: If this is not what was written.
    """
    try:
        dtype = np.dtype(written["dtype"]).newbyteorder("<")
        shape = _validate.shape(owner, written["shape"])
        size = math.prod(shape) * dtype.itemsize
        data = base64.b64decode(written["data"], validate=True)
        # One byte more than there should be shows that there are too many.
        unpacking = zlib.decompressobj()
        numbers = unpacking.decompress(data, size + 1)
        if dtype.kind in "fiu" and unpacking.eof and len(numbers) == size:
            return np.frombuffer(numbers, dtype).reshape(shape)
    except (KeyError, TypeError, ValueError, zlib.error):
        pass
    raise _unreadable(owner, "data", written)


def check_hash(owner: str, written: dict[str, Any]) -> None:
    """Raises if this is not what a config has of an array stored by its hash."""
    try:
        _validate.shape(owner, written["shape"])
        is_right = isinstance(written["sha256"], str)
    except (KeyError, ValueError):
        is_right = False
    if not is_right:
        raise _unreadable(owner, "sha256", written)


def _unreadable(owner: str, name: str, written: dict[str, Any]) -> ValueError:
    return _validate.error(
        owner,
        f"an `array` as its config has it: 'dtype', 'shape' and {name!r}",
        f"a dict with {sorted(map(str, written))} that cannot be read",
        "Pass the array itself, or the config that was saved.",
    )
