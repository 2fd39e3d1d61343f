"""TensorFlow: memory is what has to be watched."""

import collections
import contextlib
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_initx import _validate
from keras_initx._backend.arithmetic import norm, scale, scaled_copy
from keras_initx._backend.memory import aligned, handed_over, writable
from keras_initx._backend.seeds import generator_lock, split
from keras_initx._keras import spec_of_one_replica, stored_value

# A draw takes four times the memory of its result, so a large one is made in parts.
_CHUNK = 2**22

# The least size of a kernel that is drawn on an accelerator.
_LARGE = 2**18

# The number of this algorithm, and the key with which it scrambles a seed.
_PHILOX, _SCRAMBLE = 1, np.array([0x02461E293EC8F720], "uint64")

# Keras reduces a seed modulo this number, to 32 bits with a sign.
_SEEDS = 2**31 - 2


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
    size = math.prod(shape)
    starts = range(0, size, _CHUNK)
    seeds = split(seed, len(starts)) if len(starts) > 1 else [seed]
    chunks = (
        _sample(distribution, min(_CHUNK, size - start), seed, **arguments)
        for start, seed in zip(starts, seeds, strict=True)
    )
    first = next(chunks)
    if stays or not has_values(first):
        return ops.reshape(ops.concatenate([first, *chunks]), shape)
    first = _array_of(first)
    if len(starts) == 1:
        # Nobody else has the tensor, so its memory serves for what comes next.
        return writable(first).reshape(shape)
    numbers = aligned((size,), first.dtype)
    numbers[:_CHUNK] = first
    for start, chunk in zip(starts[1:], chunks, strict=True):
        numbers[start : start + _CHUNK] = _array_of(chunk)
    return numbers.reshape(shape)


def draws_on_device(size: int) -> bool:
    """Whether a kernel of this size is faster drawn on Keras's default device.

    A device takes some milliseconds to start a hundred operations. The host takes as
    long for some 100,000 entries.
    """
    is_large = size >= _LARGE and tf.executing_eagerly()
    return is_large and "CPU" not in tf.zeros(()).device


def one_program(function: Callable[..., Any], *fixed: str) -> Callable[..., Any]:
    """The function, compiled as a whole where each operation would be by itself."""
    return function


def _array_of(tensor: Any) -> np.ndarray:
    """A tensor that has values as an array to read; without a copy on the host."""
    seen = view(tensor)
    return seen if isinstance(seen, np.ndarray) else seen.numpy()


def _sample(distribution: str, size: int, seed: Any, **arguments: Any) -> Any:
    """The numbers that `keras.random` draws eagerly.

    Keras lets TensorFlow choose the algorithm. Then one seed gives other numbers in a
    program that is compiled by XLA.
    """
    if isinstance(seed, keras.random.SeedGenerator):
        state = next_state(seed)
    else:
        state = np.array([seed % _SEEDS, 0], "int64")
    if tf.executing_eagerly():
        return _sample_eagerly(distribution, size, state, **arguments)
    sample = {
        "normal": tf.random.stateless_normal,
        "truncated_normal": tf.random.stateless_truncated_normal,
    }.get(distribution, tf.random.stateless_uniform)
    seed = tf.cast(tf.math.floormod(state, _SEEDS), "int32")
    return sample((size,), seed, alg="philox", **arguments)


def _sample_eagerly(
    distribution: str, size: int, state: Any, dtype: str, **limits: Any
) -> Any:
    """The same numbers from two operations.

    `tf.random` takes twenty operations to scramble the seed, and two passes over the
    numbers for a mean of 0 and a deviation of 1.
    """
    draw = {
        "normal": tf.raw_ops.StatelessRandomNormalV2,
        "truncated_normal": tf.raw_ops.StatelessTruncatedNormalV2,
        "uniform": tf.raw_ops.StatelessRandomUniformV2,
        "randint": tf.raw_ops.StatelessRandomUniformIntV2,
    }[distribution]
    counter = (np.asarray(state).astype("int64") % _SEEDS).astype("uint64")
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=(4,), key=_SCRAMBLE, counter=counter, dtype="uint32", alg=_PHILOX
    )
    key, counter = words.numpy().view("uint64").reshape(2, 1)
    counter = np.concatenate([np.zeros_like(counter), counter])
    if distribution == "randint":
        limits = {name: np.array(value, dtype) for name, value in limits.items()}
    else:
        limits = {"dtype": dtype}
    return draw(shape=(size,), key=key, counter=counter, alg=_PHILOX, **limits)


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


def preserve_modes(layer: keras.layers.Layer, with_gradients: bool) -> Any:
    """A context in which layers run with or without gradients, and keep their modes."""
    return contextlib.nullcontext()


def double_precision() -> Any:
    """A context in which tensors of float64 stay what they are."""
    return contextlib.nullcontext()


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose code no tracing translates."""
    return tf.autograph.experimental.do_not_convert(function)


def gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function; calling it fails if there is none."""

    def slopes(tensor: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            values = function(tensor)
        found = tape.gradient(values, tensor)
        if found is None:
            raise ValueError("The values do not depend on the tensor.")
        return found

    # Eagerly, what NumPy computes would pass for a constant.
    return tf.function(slopes, autograph=False)


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
    tensors = [tf.convert_to_tensor(argument) for argument in arguments]
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(tensors)
        value = function(*tensors)

    def product(cotangent: np.ndarray) -> list[Any]:
        gradients = tape.gradient(
            value,
            tensors,
            output_gradients=tf.convert_to_tensor(cotangent, value.dtype),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # Those of an embedding are sparse.
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    return value, product


@tf.custom_gradient
def probe(tensor: Any, token: Any) -> Any:
    """The tensor; the gradient of the scalar `token` is the norm of the tensor's."""

    def gradients(gradient: Any) -> tuple[Any, Any]:
        gradient = tf.convert_to_tensor(gradient)
        array = view(gradient) if has_values(gradient) else gradient
        if isinstance(array, np.ndarray):
            return gradient, tf.constant(norm(array), "float32")
        return gradient, tf.norm(tf.cast(gradient, "float32"))

    return tf.identity(tensor), gradients


def run_train_step(
    model: keras.Model, data: Any, layers: list[keras.layers.Layer]
) -> None:
    """Runs `model.train_step` eagerly; the layers see tensors that have values."""
    if model.distribute_strategy.num_replicas_in_sync > 1:
        raise RuntimeError("Several replicas cannot run the step together.")
    was_eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        model.train_step(data)
    finally:
        tf.config.run_functions_eagerly(was_eager)


def before_training(
    model: keras.Model, looks: list[tuple[int, Callable[[list[Any]], None]]]
) -> Callable[..., Any]:
    """The model's train function, whose next call begins with the `looks`.

    Each gets the next batches, as many as the largest number says; then training does:
    from iterators of the same type, so that the train function is not traced again.
    """
    train_function, strategy = model.train_function, model.distribute_strategy
    steps = model.steps_per_execution
    waiting: collections.deque[Any] = collections.deque()
    source: Any = None

    def function(iterator: Any) -> Any:
        nonlocal source
        this, model.train_function = model.train_function, train_function
        if iterator is not source:
            # Batches left over from a stopped training are not for another one.
            waiting.clear()
            source = iterator
        if looks:
            # A call of the train function takes so many, unless the data end.
            count = -(-max(count for count, _ in looks) // steps) * steps
            waiting.extend(itertools.islice(iterator, max(0, count - len(waiting))))
            batches = [_whole_batch(strategy, batch) for batch in waiting]
            for _, look in looks:
                look(batches)
            looks.clear()
        shown = [waiting.popleft() for _ in range(min(steps, len(waiting)))]
        if shown:
            iterator = _again(strategy, shown, iterator)
        results = train_function(iterator)
        if waiting:
            model.train_function = this
        return results

    return function


def _whole_batch(strategy: tf.distribute.Strategy, batch: Any) -> Any:
    """The batch of all replicas; what is missing in it (an empty Optional) is None."""
    parts = strategy.experimental_local_results(batch)
    if len(parts) == 1:
        (whole,) = parts
    else:
        whole = tf.nest.map_structure(lambda *part: tf.concat(part, 0), *parts)
    return tf.nest.map_structure(
        lambda leaf: None if isinstance(leaf, tf.experimental.Optional) else leaf, whole
    )


def _again(strategy: tf.distribute.Strategy, batches: list[Any], source: Any) -> Any:
    """An iterator over these batches, of the type of the one that they come from."""
    element_spec = getattr(source, "element_spec", None)
    if element_spec is None:
        # The generator of `train_on_batch`.
        return itertools.chain(batches, source)
    if strategy.num_replicas_in_sync == 1:
        return iter(_dataset(batches, element_spec))
    parts = [part for b in batches for part in strategy.experimental_local_results(b)]
    part_spec = tf.nest.map_structure(spec_of_one_replica, element_spec)
    return iter(
        strategy.distribute_datasets_from_function(lambda _: _dataset(parts, part_spec))
    )


def _dataset(elements: list[Any], element_spec: Any) -> tf.data.Dataset:
    """A dataset of these elements, with the shapes of the specification."""
    first, *others = map(tf.data.Dataset.from_tensors, elements)
    dataset = functools.reduce(tf.data.Dataset.concatenate, others, first)
    variant = tf.data.experimental.to_variant(dataset)
    return tf.data.experimental.from_variant(variant, element_spec)
