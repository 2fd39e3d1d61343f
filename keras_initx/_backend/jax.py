"""JAX: what is eager is compiled for each new shape, so there is little of it."""

import collections
import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_initx._backend.arithmetic import scale, scaled_copy
from keras_initx._backend.memory import aligned, handed_over
from keras_initx._backend.seeds import generator_lock
from keras_initx._keras import (
    attach_jax_state,
    detach_jax_state,
    has_jax_values,
    outside_stateless_scope,
    stored_value,
)

# The least size of a kernel that is drawn on an accelerator.
_LARGE = 2**24

# Up to so many bytes a copy costs nothing.
_SMALL = 2**16

# Random numbers are drawn this many at a time. To compile a generator for each shape
# would take longer than everything else.
_CHUNKS = (2**12, 2**14, 2**16, 2**18, 2**20)


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


def draw(
    distribution: str,
    shape: tuple[int, ...],
    seed: Any,
    stays: bool = False,
    **arguments: Any,
) -> Any:
    """Independent draws from a distribution of `keras.random`, by its name.

    Where there are values now they are a NumPy array, unless the result `stays` a
    tensor on the device.
    """
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
    first = None if stays else on_host(sample(0))
    if not isinstance(first, np.ndarray):
        return _sample_at_once(
            key, distribution=distribution, shape=shape, chunk=chunk, **arguments
        )
    numbers = aligned((count, chunk), first.dtype)
    numbers[0] = first
    for index in range(1, count):
        numbers[index] = sample(index)
    return numbers.reshape(-1)[:size].reshape(shape)


@functools.partial(
    jax.jit,
    static_argnames=("distribution", "shape", "chunk", "minval", "maxval", "dtype"),
)
def _sample_at_once(
    key: Any, distribution: str, shape: tuple[int, ...], chunk: int, **arguments: Any
) -> Any:
    """All chunks in one program."""
    size = math.prod(shape)
    sample = functools.partial(
        _sample, key, distribution=distribution, size=chunk, **arguments
    )
    numbers = jax.lax.map(sample, jnp.arange(-(-size // chunk)))
    return numbers.reshape(-1)[:size].reshape(shape)


def draws_on_device(size: int) -> bool:
    """Whether a kernel of this size is faster drawn on Keras's default device.

    For a new shape the device compiles two programs, which takes some seconds. The host
    takes about one for 16 million entries.
    """
    device = jax.config.jax_default_device or jax.devices()[0]
    platform = device if isinstance(device, str) else device.platform
    return size >= _LARGE and platform != "cpu"


def one_program(function: Callable[..., Any], *fixed: str) -> Callable[..., Any]:
    """The function, compiled as a whole where each operation would be by itself."""
    return jax.jit(function, static_argnames=fixed)


@functools.partial(
    jax.jit, static_argnames=("distribution", "size", "minval", "maxval", "dtype")
)
def _sample(
    key: Any, index: Any, distribution: str, size: int, **arguments: Any
) -> Any:
    """One chunk. The index is added to the key in bits that no counter reaches."""
    key = key + jnp.array([0, 2**20], "uint32") * jnp.uint32(index)
    if distribution == "truncated_normal":
        arguments = {"lower": -2.0, "upper": 2.0, **arguments}
    return getattr(jax.random, distribution)(key, shape=(size,), **arguments)


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


def preserve_modes(layer: keras.layers.Layer, with_gradients: bool) -> Any:
    """A context in which layers run with or without gradients, and keep their modes."""
    return contextlib.nullcontext()


def double_precision() -> Any:
    """A context in which tensors of float64 stay what they are."""
    return jax.enable_x64(True)


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose code no tracing translates."""
    return function


def gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function; calling it fails if there is none."""

    def slopes(tensor: Any) -> Any:
        values, pull_back = jax.vjp(function, tensor)
        return pull_back(jnp.ones_like(values))[0]

    return jax.jit(slopes)


def pullback(
    function: Callable[..., Any], arguments: list[Any]
) -> tuple[Any, Callable[[np.ndarray], list[Any]]]:
    """The value of a function, and its vector-Jacobian product.

    Args:
        function: Takes tensors and returns one tensor. It runs once.
        arguments: list of tensors and variables' values, all of floats.

    Returns:
        The value, and a function of a cotangent: the gradients of their scalar product,
        one tensor for each argument.
    """
    value, product = jax.vjp(function, *arguments)
    return value, lambda cotangent: list(product(jnp.asarray(cotangent, value.dtype)))


@jax.jit
def _norm(gradient: Any) -> Any:
    """The Euclidean norm, right even if the squares overflow or vanish."""
    gradient = gradient.astype("float32")
    largest = jnp.max(jnp.abs(gradient), initial=0)
    scale = jnp.where(jnp.isfinite(largest) & (largest > 0), largest, 1)
    return scale * jnp.sqrt(jnp.sum((gradient / scale) ** 2))


@jax.custom_vjp
def probe(tensor: Any, token: Any) -> Any:
    """The tensor; the gradient of the scalar `token` is the norm of the tensor's."""
    return tensor


probe.defvjp(lambda tensor, _: (tensor, None), lambda _, grad: (grad, _norm(grad)))


def run_train_step(
    model: keras.Model, data: Any, layers: list[keras.layers.Layer]
) -> None:
    """Runs `model.train_step` eagerly; the layers see tensors that have values.

    Keras hands the variables' values over as arguments, which are tracers where the
    step takes its gradient. The layers use the values on the variables instead. So the
    gradient is zero, and nobody may use it.
    """
    state = detach_jax_state(model, is_kept=True)
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_with_own_values(layer))
        model.train_step(state, data)


@contextlib.contextmanager
def _with_own_values(layer: keras.layers.Layer) -> Iterator[None]:
    """A context in which a layer runs outside Keras's stateless scopes."""
    attributes, function = vars(layer), layer.call
    before = attributes.get("call")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with outside_stateless_scope():
            return function(*args, **kwargs)

    attributes["call"] = call
    try:
        yield
    finally:
        if before is None:
            del attributes["call"]
        else:
            attributes["call"] = before


def before_training(
    model: keras.Model, looks: list[tuple[int, Callable[[list[Any]], None]]]
) -> Callable[..., Any]:
    """The model's train function, whose next call begins with the `looks`.

    Each gets the next batches, as many as the largest number says; then training does.
    `fit` takes the values off the variables and passes them on: they are put back for
    the looks. `train_on_batch` leaves them there.
    """
    train_function = model.train_function
    waiting: collections.deque[Any] = collections.deque()
    source: Any = None

    def function(state: tuple[Any, ...], iterator: Any) -> Any:
        nonlocal source
        this, model.train_function = model.train_function, train_function
        if iterator is not source:
            # Batches left over from a stopped training are not for another one.
            waiting.clear()
            source = iterator
        if looks:
            count = max(count for count, _ in looks)
            has_values_already = has_jax_values(model)
            attach_jax_state(model, state)
            try:
                missing = max(0, count - len(waiting))
                waiting.extend(itertools.islice(iterator, missing))
                for _, look in looks:
                    look(list(waiting))
            except BaseException:
                if not has_values_already:
                    _skip_averages(model.optimizer)
                raise
            looks.clear()
            state = detach_jax_state(model, is_kept=has_values_already)
        shown = (waiting.popleft() for _ in range(len(waiting)))
        results = train_function(state, itertools.chain(shown, iterator))
        if waiting:
            model.train_function = this
        return results

    return function


def _skip_averages(optimizer: keras.optimizers.Optimizer) -> None:
    """Lets the next call of `optimizer.finalize_variable_values` do nothing.

    With `use_ema` it sets the weights to their moving averages, which are zero before
    the first step; and `fit` calls it even when an error ends it.
    """
    name = "finalize_variable_values"
    attributes = vars(optimizer)
    attributes[name] = lambda *_: attributes.pop(name)
