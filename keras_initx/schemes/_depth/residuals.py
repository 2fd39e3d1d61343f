"""The residual branches of a model, or an error that says why there are none."""

import warnings
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.branches.branch import BranchLayer, ResidualBranch
from keras_initx._model.branches.find import Residuals, find_residuals
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx._model.left_alone import why_left_alone
from keras_initx._model.recorded import recorded
from keras_initx._model.training_step import check_model
from keras_initx.schemes._depth.branch_report import BranchRow


def residuals_of(owner: str, model: Any, x: Any) -> Residuals:
    """What `find_residuals` finds.

    Args:
        owner: str. Who asks, for errors.
        model: keras.Model, or any other layer.
        x: What the model is called with, or None.

    Raises:
        ValueError: If this is no model, if `x` is needed, or if there is no residual
            branch.
    """
    check_model(owner, model)
    found, _ = recorded(owner, model, x, find_residuals)
    if not found.branches:
        raise _validate.error(
            owner,
            "a model with residual branches: x + f(x), where f has kernels",
            f"the model {model.name!r}, in which no addition joins a branch with its "
            "own input",
            "For a network without shortcuts use `lsuv`, or an initializer such as "
            "'orthogonal_delta'.",
        )
    return found


def warn_of_normalization(
    owner: str, layers: list[keras.layers.Layer], advice: str
) -> None:
    """A warning if there is a normalization where the scheme does without."""
    paths = list(dict.fromkeys(layer.path for layer in layers))
    if paths:
        warnings.warn(
            f"`{owner}` is for models without normalization, which undoes the scale of "
            f"the kernels before it. There are: {_validate.few(paths)}. {advice}",
            stacklevel=3,
        )


def linear_layers(branch: ResidualBranch) -> list[BranchLayer]:
    """Those to whose kernels the output of the branch is proportional."""
    return [each for each in branch.layers if each.is_linear]


def row_of(branch: ResidualBranch) -> BranchRow:
    """The row of a branch in a report, before anything is done to it."""
    return BranchRow(
        place=branch.place,
        layers=[each.layer.path for each in branch.layers],
        depth=branch.depth,
        is_projection=branch.is_projection,
    )


def changeable(layers: list[BranchLayer]) -> tuple[list[LayerKernel], str]:
    """The kernels of these layers; or none, and why one of them cannot be changed."""
    kernels = []
    for each in layers:
        if each.described is None:
            reason = f"a {type(each.layer).__name__}, whose kernel has no fans"
        else:
            reason = why_left_alone(each.layer, each.described.kernel, ())
            kernels.append(each.described)
        if reason:
            return [], f"left alone: {each.layer.path} is {reason}"
    return kernels, ""
