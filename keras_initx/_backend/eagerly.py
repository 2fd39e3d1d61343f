"""Numbers that are computed now, wherever the computation is asked for."""

import concurrent.futures
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_initx._backend import double_precision, untraced


def eagerly(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, run at once, in float64 and on the host.

    Initializers are made while a program is traced, in Keras's stateless scopes or on a
    device that holds no values. All of that belongs to a thread, so that a thread of
    its own has none of it, on any backend.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            return thread.submit(_on_host, function, args, kwargs).result()

    return untraced(run)


def _on_host(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    # Infinity and NaN are results too.
    with double_precision(), keras.device("cpu"), np.errstate(all="ignore"):
        return function(*args, **kwargs)
