"""JAX: what is eager is compiled for each new shape, so there is little of it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_initx._backend.arithmetic import scale, scaled_copy
from keras_initx._backend.memory import aligned, handed_over
from keras_initx._backend.seeds import generator_lock
from keras_initx._keras import stored_value

# Up to so many bytes a copy costs nothing.
_SMALL = 2**16


def on_host(tensor: Any) -> Any:
    """The tensor as a NumPy array, if it has values now."""
    return tensor if isinstance(tensor, jax.core.Tracer) else np.asarray(tensor)


def next_state(generator: keras.random.SeedGenerator) -> Any:
    """The state of the generator, which moves on; each thread gets another one.

    Keras compiles the initializers of large sharded variables. The state is known even
    then, and must not become a part of the program.
    """
    with generator_lock, jax.ensure_compile_time_eval():
        return generator.next()


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor; nobody may change it any more."""
    if array.nbytes <= _SMALL:
        return jnp.asarray(array)
    # Without the dtype, JAX would copy it. This is the longer way for a small array.
    return jnp.asarray(handed_over(array), array.dtype)


def one_program(function: Callable[..., Any], *fixed: str) -> Callable[..., Any]:
    """The function, compiled as a whole where each operation would be by itself."""
    return jax.jit(function, static_argnames=fixed)


def has_values(tensor: Any) -> bool:
    """Whether this is a tensor with values now, not a part of a program."""
    return not isinstance(tensor, jax.core.Tracer)


def view(tensor: Any) -> Any:
    """The tensor as a NumPy array to read, without a copy, where it is in reach."""
    devices = tensor.devices()
    in_reach = tensor.is_fully_addressable and {d.platform for d in devices} == {"cpu"}
    return np.asarray(tensor) if in_reach else tensor


def assign(variable: keras.Variable, value: Any) -> None:
    """Assigns to a variable, also while a layer runs in mixed precision."""
    variable.assign(value)


def stored(variable: keras.Variable) -> Any:
    """The tensor that a variable holds, in the variable's own dtype."""
    return stored_value(variable)


def saved(variable: keras.Variable) -> Any:
    """What the variable holds, for `variable.assign`; in the memory of the host."""
    value = stored_value(variable)
    return view(value) if value.is_fully_addressable else value


def scaled(tensor: Any, factors: np.ndarray, offset: np.ndarray) -> Any:
    """`factors * tensor + offset`; nobody may use the tensor any more."""
    is_here = tensor.devices() == {jax.devices()[0]} and tensor.dtype == np.float32
    array = view(tensor) if is_here else None
    if not isinstance(array, np.ndarray):
        return scaled_copy(tensor, factors, offset)
    # Nothing is compiled for the shape. `from_dlpack` would bind the array to a device,
    # and then a train step would be compiled once more.
    result = aligned(array.shape, array.dtype)
    return to_tensor(scale(array, factors, offset, into=result))


def rescale(variable: keras.Variable, factors: np.ndarray) -> None:
    """Multiplies a variable; the tensor that it held stays as it was."""
    assign(variable, scaled(stored(variable), factors, np.zeros(())))


def double_precision() -> Any:
    """A context in which tensors of float64 stay what they are."""
    return jax.enable_x64(True)


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose code no tracing translates."""
    return function
