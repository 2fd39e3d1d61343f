"""TensorFlow: memory is what has to be watched."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_initx import _validate
from keras_initx._backend.arithmetic import scale, scaled_copy
from keras_initx._backend.memory import aligned, handed_over, writable
from keras_initx._backend.seeds import generator_lock
from keras_initx._keras import stored_value


def on_host(tensor: Any) -> Any:
    """The tensor as a NumPy array, if it has values now."""
    has_values = tf.executing_eagerly() and hasattr(tensor, "numpy")
    return tensor.numpy() if has_values else tensor


def next_state(generator: keras.random.SeedGenerator) -> Any:
    """The state of the generator, which moves on; each thread gets another one."""
    if _is_for_session():
        raise _validate.error(
            "keras_initx",
            "an integer seed within `tf.Graph().as_default()`",
            "a `SeedGenerator`, whose state is not a part of that graph",
            "Pass an integer seed to the initializer, or draw the kernel eagerly or "
            "within `tf.function`.",
        )
    with generator_lock:
        return generator.next()


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor; nobody may change it any more."""
    if _is_for_session():
        return tf.constant(array)
    # `convert_to_tensor` would copy it twice.
    return tf.experimental.dlpack.from_dlpack(handed_over(array).__dlpack__())


def one_program(function: Callable[..., Any], *fixed: str) -> Callable[..., Any]:
    """The function, compiled as a whole where each operation would be by itself."""
    return function


def _is_for_session() -> bool:
    """Whether a graph of TensorFlow 1 is being built: it takes no eager tensors."""
    if tf.executing_eagerly():
        return False
    return not tf.compat.v1.get_default_graph().building_function


def has_values(tensor: Any) -> bool:
    """Whether this is a tensor with values now, not a part of a program."""
    return tf.executing_eagerly() and hasattr(tensor, "numpy")


def view(tensor: Any) -> Any:
    """The tensor as a NumPy array to read, without a copy, where it is in reach."""
    if "CPU" not in tensor.device:
        return tensor
    # NumPy does not take over TensorFlow's bfloat16, and `numpy` copies the others.
    is_bfloat16 = tensor.dtype == tf.bfloat16
    return tensor.numpy() if is_bfloat16 else np.asarray(memoryview(tensor))


def assign(variable: keras.Variable, value: Any) -> None:
    """Assigns to a variable, also while a layer runs in mixed precision."""
    variable.assign(value)


def stored(variable: keras.Variable) -> Any:
    """The tensor that a variable holds, in the variable's own dtype."""
    return tf.convert_to_tensor(stored_value(variable))


def saved(variable: keras.Variable) -> Any:
    """What the variable holds, for `variable.assign`; in the memory of the host."""
    tensor = stored(variable)
    return tensor if "CPU" in tensor.device else tensor.numpy()


def scaled(tensor: Any, factors: np.ndarray, offset: np.ndarray) -> Any:
    """`factors * tensor + offset`; nobody may use the tensor any more."""
    array = _array_to_scale(tensor)
    if array is None:
        return scaled_copy(tensor, factors, offset)
    # A copy spends most of its time on new pages of memory.
    memory = writable(array)
    scale(memory, factors, offset, into=memory)
    return tensor


def rescale(variable: keras.Variable, factors: np.ndarray) -> None:
    """Multiplies a variable; the tensor that it held stays as it was."""
    tensor, offset = stored(variable), np.zeros(())
    array = _array_to_scale(tensor)
    if array is None:
        assign(variable, scaled_copy(tensor, factors, offset))
    else:
        result = aligned(array.shape, array.dtype)
        assign(variable, to_tensor(scale(array, factors, offset, into=result)))


def _array_to_scale(tensor: Any) -> np.ndarray | None:
    """The tensor in NumPy, without a copy; None where it is elsewhere, or is short."""
    array = view(tensor) if tensor.dtype in (tf.float32, tf.float64) else None
    return array if isinstance(array, np.ndarray) else None


def double_precision() -> Any:
    """A context in which tensors of float64 stay what they are."""
    return contextlib.nullcontext()


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose code no tracing translates."""
    return tf.autograph.experimental.do_not_convert(function)
