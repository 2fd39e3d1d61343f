"""The checks that classes share, and the one form of their errors.

An error says who, what is needed, what was received, and what to do.
"""

import math
import numbers
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import keras


def error(owner: str, needs: str, received: str, advice: str) -> ValueError:
    """The exception that every check raises: four facts, in this order."""
    return ValueError(f"`{owner}` needs {needs}. Received: {received}. {advice}")


def is_integer(value: Any) -> bool:
    """Whether this is a whole number, Python's or NumPy's, and not a boolean."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether this is a finite number, Python's or NumPy's, and not a boolean."""
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def number(owner: str, name: str, value: Any) -> float:
    """A finite number, as a Python float."""
    if not is_number(value):
        raise error(
            owner,
            f"`{name}` to be a finite number",
            f"{name}={value!r}",
            "Pass a float, for example 1.0.",
        )
    return float(value)


def positive(owner: str, name: str, value: Any) -> float:
    """A finite number above zero, as a Python float."""
    if not (is_number(value) and value > 0):
        raise error(
            owner,
            f"`{name}` to be a finite number above 0",
            f"{name}={value!r}",
            "Pass a positive float, for example 1.0.",
        )
    return float(value)


def not_negative(owner: str, name: str, value: Any) -> float:
    """A finite number of at least zero, as a Python float."""
    if not (is_number(value) and value >= 0):
        raise error(
            owner,
            f"`{name}` to be a finite number of at least 0",
            f"{name}={value!r}",
            "Pass a float, for example 0.0.",
        )
    return float(value)


def integer(owner: str, name: str, value: Any) -> int:
    """A whole number, as a Python int."""
    if not is_integer(value):
        raise error(
            owner,
            f"`{name}` to be an integer",
            f"{name}={value!r}",
            "Pass for example -1.",
        )
    return int(value)


def positive_integer(owner: str, name: str, value: Any) -> int:
    """A whole number above zero, as a Python int."""
    if not (is_integer(value) and value >= 1):
        raise error(
            owner,
            f"`{name}` to be an integer of at least 1",
            f"{name}={value!r}",
            "Pass a positive int, for example 1.",
        )
    return int(value)


def choice(owner: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """One of a few names."""
    if not isinstance(value, str) or value not in choices:
        options = ", ".join(repr(option) for option in choices)
        raise error(
            owner,
            f"a known `{name}`",
            f"{name}={value!r}",
            f"Choose one of: {options}.",
        )
    return value


def axes(owner: str, name: str, value: Any) -> list[int] | None:
    """A list of integers, or None for the default."""
    if value is None:
        return None
    if isinstance(value, Iterable) and not isinstance(value, str):
        items = list(value)
        if all(is_integer(item) for item in items):
            return [int(item) for item in items]
    raise error(
        owner,
        f"`{name}` to be a list of integers or None",
        f"{name}={value!r}",
        "Pass for example [-2].",
    )


def few(texts: Sequence[str], most: int = 3) -> str:
    """The first of several texts, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def float_dtype(owner: str, dtype: Any) -> str:
    """A floating-point dtype's name; None means `keras.config.floatx()`."""
    dtype = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise error(
            owner,
            "a floating-point dtype",
            f"dtype={dtype!r}",
            "Use 'float32', 'float16', 'bfloat16' or 'float64'.",
        )
    return dtype


def shape(owner: str, value: Any) -> tuple[int, ...]:
    """A fully known shape, as a tuple of Python ints."""
    try:
        sizes = tuple(operator.index(size) for size in value)
    except TypeError:
        sizes = (-1,)
    if any(size < 0 for size in sizes):
        raise error(
            owner,
            "a shape of non-negative integers",
            f"shape={value!r}",
            "Build the layer on inputs whose channel axes are known.",
        )
    return sizes
