"""JAX: the equations of a traced function."""

import itertools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import keras
from jax.ad_checkpoint import checkpoint_name

from keras_initx._backend.dataflow.operation import (
    ADD,
    MARK,
    MULTIPLY,
    OTHER,
    SIGMOID,
    SOFTMAX,
    Operation,
)

_KINDS = {
    "add": ADD,
    "add_any": ADD,
    "sub": ADD,
    "mul": MULTIPLY,
    "logistic": SIGMOID,
    # The exponentials of a softmax.
    "exp": SOFTMAX,
}
_MARK = "keras_initx "
# Equations that stand for other equations, which run once.
_CALLS = {
    "checkpoint",
    "closed_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "jit",
    "pjit",
    "remat2",
}


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
    numbers = itertools.count()

    def mark(tensor: Any) -> int:
        number = next(numbers)
        checkpoint_name(tensor, f"{_MARK}{number}")
        return number

    def traced(inputs: Any) -> tuple[()]:
        # What a layer assigns meanwhile is no value.
        with keras.StatelessScope():
            run(inputs, mark)
        return ()

    jaxpr = jax.make_jaxpr(traced)(inputs).jaxpr
    operations: list[Operation] = []
    _list(jaxpr, {}, operations, itertools.count())
    return operations


def _list(
    jaxpr: Any,
    names: dict[Any, Hashable],
    operations: list[Operation],
    numbers: Any,
) -> None:
    """Adds the equations of a program, and of the programs that it calls."""

    def name(variable: Any) -> Hashable:
        if _is_literal(variable):
            return next(numbers)
        if variable not in names:
            names[variable] = next(numbers)
        return names[variable]

    for equation in jaxpr.eqns:
        inputs = tuple(map(name, equation.invars))
        inner = _called(equation)
        if inner is not None:
            within = dict(zip(inner.invars, inputs, strict=True))
            _list(inner, within, operations, numbers)
            for variable, result in zip(equation.outvars, inner.outvars, strict=True):
                is_literal = _is_literal(result)
                names[variable] = (
                    next(numbers)
                    if is_literal
                    else within.setdefault(result, next(numbers))
                )
            continue
        kind, number = _KINDS.get(equation.primitive.name, OTHER), -1
        if equation.primitive.name == "name":
            label = equation.params["name"]
            if label.startswith(_MARK):
                kind, number = MARK, int(label.removeprefix(_MARK))
        outputs = tuple(map(name, equation.outvars))
        shape = equation.outvars[0].aval.shape if outputs else None
        operations.append(Operation(kind, inputs, outputs, shape, number))


def _called(equation: Any) -> Any:
    """The program that an equation stands for, or None."""
    if equation.primitive.name not in _CALLS:
        return None
    names = ("jaxpr", "call_jaxpr", "fun_jaxpr")
    found = next((p for n in names if (p := equation.params.get(n)) is not None), None)
    inner = getattr(found, "jaxpr", found)
    fits = inner is not None and len(inner.invars) == len(equation.invars)
    return inner if fits else None


def _is_literal(variable: Any) -> bool:
    """Whether this stands for a number in the program, not for a variable."""
    return hasattr(variable, "val")
