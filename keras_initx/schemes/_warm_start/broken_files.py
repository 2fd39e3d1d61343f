"""What is wrong with a file, or with one of its members."""

from keras_initx import _validate

# Keras's own limits: genuine weights are stored nearly as large as they are.
_FLOOR, _EXPANSION = 2**32, 100


def check_member(name: str, size: int, stored_size: int) -> None:
    """Raises a `ValueError` if so many bytes cannot be genuine.

    Args:
        name: str. The name of the member.
        size: int. How many bytes it says that it has.
        stored_size: int. How many are stored.
    """
    if size > _FLOOR and size > _EXPANSION * stored_size:
        raise _validate.error(
            "warm_start",
            "a file whose arrays are stored in it",
            f"{name!r} of {size} bytes, of which {stored_size} are stored",
            "The file is broken, or made to fill the memory: do not use it.",
        )


def broken_file(name: str, error: Exception) -> ValueError:
    """The error for a file, or a part of it, that cannot be read."""
    return _validate.error(
        "warm_start",
        "a whole file that Keras has written",
        f"{name!r}, where reading ends in {type(error).__name__}: {error}",
        "Save the model again, or copy the file once more.",
    )
