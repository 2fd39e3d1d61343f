"""How the inputs of a kernel stand in pairs: found in the values of its inputs."""

import dataclasses
from typing import Any

from keras_initx import _validate
from keras_initx._model.convolutions import DEPTHWISE, SEPARABLE
from keras_initx._model.layer_tree import label
from keras_initx.schemes._looks_linear.odd_part import activation_of
from keras_initx.schemes._looks_linear.rectifier_roles import OWNER, Role
from keras_initx.schemes._looks_linear.samples import Values

# The remedy for what breaks the pairs, by a part of the name of a class.
_REMEDIES = {
    "spectralnorm": "Take the wrapper off: it changes the scale of the kernel.",
    "maxpool": "Use average pooling instead.",
    "norm": "Remove it, or use `BatchNormalization` before the rectifier.",
    "attention": "Attention is not linear; use the scheme on the part without it.",
    "add": "Add pre-activations only, and put the rectifiers into the branches.",
}


class UnexcitedError(Exception):
    """The samples do not reach both sides of a rectifier."""


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Each run along an axis of the inputs, counted from the end, has two halves.

    `kernel_axis` is the axis of the kernel that numbers these inputs.
    """

    axis: int
    run: int
    kernel_axis: int


def pairs_of(role: Role, values: Values) -> Pairs | None:
    """The pairs in which the inputs of a kernel stand; None if these are linear.

    Raises:
        UnexcitedError: If several kinds of pairs are possible on these samples.
        ValueError: If there are none.
    """
    if values.is_linear:
        if role.factors:
            raise UnexcitedError
        return None
    possible = _candidates(role, values)
    found = [each for each in possible if values.is_paired(each.axis, each.run)]
    if len(found) > 1:
        raise UnexcitedError
    if not found:
        raise _no_pairs(role)
    return found[0]


def _candidates(role: Role, values: Values) -> list[Pairs]:
    """All even runs along the axes over which the kernel sums, or keeps apart."""
    found = []
    for kernel_axis, axis in input_places(role):
        size = values.shape[axis]
        group = size // role.described.axes.groups
        runs = (run for run in range(2, group + 1, 2) if group % run == 0)
        found += [Pairs(axis, run, kernel_axis) for run in runs]
    return found


def input_places(role: Role) -> list[tuple[int, int]]:
    """The input axes of a kernel, each with the axis of the inputs, from the end."""
    layer, axes = role.layer, role.described.axes
    equation = getattr(layer, "equation", None)
    if isinstance(equation, str):
        inputs, labels = equation.replace(" ", "").split("->")[0].split(",")
        if inputs.endswith("..."):
            # Such axes are counted from the start.
            return []
        letters = inputs.replace("...", "")
        return [(a, letters.index(labels[a]) - len(letters)) for a in axes.input]
    if isinstance(layer, (*DEPTHWISE, *SEPARABLE)):
        kernel, _ = role.described.kernels[0]
        return [(kernel.ndim - 2, role.described.channels[0])]
    return [(axis, role.described.channels[0]) for axis in axes.input[-1:]]


def _no_pairs(role: Role) -> ValueError:
    layer, groups = role.layer, role.described.axes.groups
    advice = "Let no layer part the halves, or join them with what is not in pairs."
    if not role.factors:
        advice = (
            "Something before it is not linear, and is no activation of a layer: use "
            "for example `keras.layers.ReLU`."
        )
    elif groups > 1:
        advice = (
            f"Give `CReLU` the `groups` of the convolution, groups={groups}, so that "
            "each group has both halves."
        )
    return _validate.error(
        OWNER,
        "both units of each pair among the inputs of one kernel",
        f"{label(layer)} ({type(layer).__name__}), whose inputs do not stand in halves "
        "of runs of one length",
        advice,
    )


def not_kept(layer: Any, why_left_alone: str = "") -> ValueError:
    """The error for a layer after which nothing is linear, nor in pairs."""
    name, remedy = type(layer).__name__, _remedy(layer)
    if why_left_alone:
        remedy = f"Its kernel stays as it is: {why_left_alone}."
    return _validate.error(
        OWNER,
        "layers that are linear, or that keep the pairs of units that a rectifier "
        "makes",
        f"{label(layer)} ({name}), whose output is neither linear nor in such pairs",
        remedy,
    )


def _remedy(layer: Any) -> str:
    """What to do with a layer that breaks the pairs."""
    name = type(layer).__name__.lower()
    for part, remedy in _REMEDIES.items():
        if part in name:
            return remedy
    if activation_of(layer) is not None:
        return (
            "What it gets is not in pairs z, -z: add nothing to them that comes from "
            "another rectifier, or use `CReLU`."
        )
    return "Remove it, or use the scheme on the part of the model without it."
