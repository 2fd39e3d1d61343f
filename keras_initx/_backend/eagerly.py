"""Computing numbers at once, also while a program is traced."""

import concurrent.futures
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_initx._backend import double_precision, untraced


def eagerly(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but it runs at once, in float64 and on the host.

    An initializer may be made while a program is traced, in a stateless scope of Keras,
    or on a device that holds no values. All of these belong to a thread. So the
    function runs in a thread of its own, which has none of them, on any backend.
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
