"""PyTorch: the operations below its functions, while these run."""

import itertools
from collections.abc import Callable, Hashable
from typing import Any

import keras
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from keras_initx._backend.dataflow.operation import (
    ADD,
    MARK,
    MULTIPLY,
    OTHER,
    SIGMOID,
    SOFTMAX,
    Operation,
)

# By the names of operators, without the underscores at their ends.
_KINDS = {
    "add": ADD,
    "sub": ADD,
    "rsub": ADD,
    "mul": MULTIPLY,
    "sigmoid": SIGMOID,
    "softmax": SOFTMAX,
    "safe_softmax": SOFTMAX,
}
# Attention in one operation, of queries, keys and values.
_ATTENTION = "scaled_dot_product"


def record(
    run: Callable[[Any, Callable[[Any], int]], Any], inputs: Any
) -> list[Operation]:
    """The operations of `run(inputs, mark)`, which is called once.

    Args:
        run: Callable. It may call `mark(tensor)`, which returns a number: the mark of
            that number then stands in the list where it was made, and has this tensor
            as its input.
        inputs: Arrays and tensors, in tuples, lists and dicts.

    Returns:
        A list of Operation, in the order of execution.
    """
    recorder = _Recorder()
    numbers = itertools.count()

    def mark(tensor: Any) -> int:
        number = next(numbers)
        names, shape = recorder.names([tensor]), tuple(tensor.shape)
        recorder.operations.append(Operation(MARK, names, (), shape, number))
        return number

    inputs = keras.tree.map_structure(_tensor, inputs)
    with torch.no_grad(), recorder:
        run(inputs, mark)
    return recorder.operations


def _tensor(leaf: Any) -> Any:
    return leaf if leaf is None else keras.ops.convert_to_tensor(leaf)


class _Recorder(TorchDispatchMode):
    """Lists what runs. A tensor has a name as long as it lives."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self._names = WeakIdKeyDictionary()
        self._numbers = itertools.count()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Runs an operation, and lists it."""
        kwargs = kwargs or {}
        inputs = self.names(_tensors((args, kwargs)))
        results = function(*args, **kwargs)
        name = function.overloadpacket.__name__.strip("_")
        if name.startswith(_ATTENTION):
            weights = next(self._numbers)
            self.operations.append(Operation(SOFTMAX, inputs[:2], (weights,), None))
            inputs = (weights, *inputs[2:])
        # What is changed in place is a new tensor.
        made = _tensors(results)
        outputs = tuple(self._new_name(tensor) for tensor in made)
        shape = tuple(made[0].shape) if made else None
        kind = _KINDS.get(name, OTHER)
        self.operations.append(Operation(kind, inputs, outputs, shape))
        return results

    def names(self, tensors: list[Any]) -> tuple[Hashable, ...]:
        """The names of tensors, which get one if they have none."""
        return tuple(
            self._names[tensor] if tensor in self._names else self._new_name(tensor)
            for tensor in tensors
        )

    def _new_name(self, tensor: Any) -> Hashable:
        self._names[tensor] = name = next(self._numbers)
        return name


def _tensors(values: Any) -> list[Any]:
    """The tensors in lists, tuples and dicts: all that an operator gets or returns."""
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, list | tuple):
        return []
    return [tensor for value in values for tensor in _tensors(value)]
