"""JAX: what is eager is compiled for each new shape, so there is little of it."""

import collections
import contextlib
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_initx._arrays import scaled_copy
from keras_initx._memory import aligned

# Random numbers are drawn so many at a time: to compile a generator for each shape
# would take longer than all the rest.
_CHUNKS = (2**12, 2**14, 2**16, 2**18, 2**20)


def on_host(tensor: Any) -> Any:
    """The tensor as a NumPy array, if it has values now."""
    return tensor if isinstance(tensor, jax.core.Tracer) else np.asarray(tensor)


def next_state(generator: keras.random.SeedGenerator) -> Any:
    """The state of the generator, which moves on.

    Keras compiles the initializers of large sharded variables: the state is known even
    then, and must not become a part of the program.
    """
    with jax.ensure_compile_time_eval():
        return generator.next()


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor; nobody may change it any more."""
    # Without its dtype it would be copied twice.
    return jnp.asarray(array, array.dtype)


def draw(distribution: str, shape: tuple[int, ...], seed: Any, **arguments: Any) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name."""
    if isinstance(seed, keras.random.SeedGenerator):
        key = next_state(seed)
    else:
        key = np.array([seed % 2**32, 0], "uint32")
    size = math.prod(shape)
    chunk = max(chunk for chunk in _CHUNKS if chunk <= max(size, _CHUNKS[0]))
    count = -(-size // chunk)
    sample = functools.partial(
        _sample, key, distribution=distribution, size=chunk, **arguments
    )
    first = on_host(sample(0))
    if isinstance(first, np.ndarray):
        numbers = np.empty((count, chunk), first.dtype)
        numbers[0] = first
        for index in range(1, count):
            numbers[index] = sample(index)
    else:
        numbers = jax.lax.map(sample, jnp.arange(count))
    return numbers.reshape(-1)[:size].reshape(shape)


@functools.partial(
    jax.jit, static_argnames=("distribution", "size", "minval", "maxval", "dtype")
)
def _sample(
    key: Any, index: Any, distribution: str, size: int, **arguments: Any
) -> Any:
    """One chunk. Its key is that of the seed, plus the index far above its counter."""
    key = key + jnp.array([0, 2**20], "uint32") * jnp.uint32(index)
    return getattr(jax.random, distribution)(key, shape=(size,), **arguments)


def has_values(tensor: Any) -> bool:
    """Whether this is a tensor with values now, not a part of a program."""
    return not isinstance(tensor, jax.core.Tracer)


def view(tensor: Any) -> Any:
    """The tensor as a NumPy array to read, without a copy, where it is in reach."""
    devices = tensor.devices()
    in_reach = tensor.is_fully_addressable and {d.platform for d in devices} == {"cpu"}
    return np.asarray(tensor) if in_reach else tensor


def stored(variable: keras.Variable) -> Any:
    """The tensor that a variable holds, in the variable's own dtype."""
    return variable._value


def saved(variable: keras.Variable) -> Any:
    """What the variable holds, for `variable.assign`; in the memory of the host."""
    value = variable._value
    return view(value) if value.is_fully_addressable else value


def scaled(tensor: Any, factors: np.ndarray, offset: np.ndarray) -> Any:
    """`factors * tensor + offset`; nobody may use the tensor any more."""
    is_here = tensor.devices() == {jax.devices()[0]} and tensor.dtype == np.float32
    array = view(tensor) if is_here else tensor
    if not isinstance(array, np.ndarray):
        return scaled_copy(tensor, factors, offset)
    # Nothing is compiled for the shape.
    result = aligned(array.shape, array.dtype)
    np.multiply(array, factors.astype(array.dtype), out=result)
    if np.any(offset != 0):
        result += offset.astype(array.dtype)
    return jax.dlpack.from_dlpack(result)


def undisturbed(layer: keras.layers.Layer) -> Any:
    """A context in which layers run without gradients, and keep their modes."""
    return contextlib.nullcontext()


def double_precision() -> Any:
    """A context in which tensors of float64 stay what they are."""
    return jax.enable_x64(True)


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose code no tracing translates."""
    return function


def compiled(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of one tensor, made fast for many calls with one shape."""
    # JAX crashes on a function of NumPy itself.
    return jax.jit(lambda tensor: function(tensor))


def gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function; calling it fails if there is none."""

    def slopes(tensor: Any) -> Any:
        values, pull_back = jax.vjp(function, tensor)
        return pull_back(jnp.ones_like(values))[0]

    return jax.jit(slopes)


def before_training(
    model: keras.Model, count: int, use: Callable[[list[Any]], None]
) -> Callable[..., Any]:
    """The model's train function, which first lets `use` see `count` batches.

    Training then gets these batches, and the others after them. JAX's trainer takes the
    values off the variables and hands them over: they are put back for `use`.
    """
    train_function = model.train_function
    waiting: collections.deque[Any] | None = None

    def function(state: tuple[Any, ...], iterator: Any) -> Any:
        nonlocal waiting
        if waiting is None:
            groups = (
                model.trainable_variables,
                model.non_trainable_variables,
                model.optimizer.variables,
                model.metrics_variables,
            )
            for variables, values in zip(groups, state, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
            model.train_function = train_function
            waiting = collections.deque(itertools.islice(iterator, count))
            if waiting:
                use(list(waiting))
            state = tuple([variable.value for variable in group] for group in groups)
        seen = (waiting.popleft() for _ in range(len(waiting)))
        results = train_function(state, itertools.chain(seen, iterator))
        model.train_function = function if waiting else train_function
        return results

    return function
