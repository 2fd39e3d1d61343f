"""Residual branches that the source does not have: they start as nothing."""

from collections.abc import Iterable

import keras

from keras_initx._model.branches.branch import ResidualBranch
from keras_initx._model.branches.find import Residuals


def torn_branches(found: Residuals, taken: set[int]) -> int:
    """How many branches have layers with weights of the source, and layers without.

    Args:
        found: Residuals.
        taken: set of int. The identities of the variables that the source has.
    """
    count = 0
    for branch in found.branches:
        states = {
            any(id(variable) in taken for variable in layer.weights)
            for layer in _layers(branch)
            if layer.weights
        }
        count += len(states) > 1
    return count


def zeroed(found: Residuals, taken: set[int]) -> tuple[list[keras.Variable], set[int]]:
    """The variables that have to be zero so that new branches add nothing.

    They are those of the last normalization of a branch, or else its last kernels with
    their biases.

    Returns:
        These variables, and the identities of all variables in new branches.
    """
    variables: list[keras.Variable] = []
    within: set[int] = set()
    for branch in found.branches:
        layers = [each.layer for each in branch.layers]
        if not _is_new(layers, taken):
            continue
        within |= {id(v) for each in _layers(branch) for v in each.weights}
        last = branch.last_normalization
        if last is not None:
            affine = (getattr(last, "gamma", None), getattr(last, "beta", None))
            if isinstance(affine[0], keras.Variable):
                variables += [v for v in affine if isinstance(v, keras.Variable)]
                continue
        for each in branch.layers:
            if each.is_last and each.is_linear and each.described is not None:
                kernel, bias = each.described.kernel, each.described.bias
                variables += [kernel] if bias is None else [kernel, bias]
    return variables, within


def _layers(branch: ResidualBranch) -> list[keras.layers.Layer]:
    kernels = [each.layer for each in branch.layers]
    return [*kernels, *branch.normalizations, *branch.scales]


def _is_new(layers: Iterable[keras.layers.Layer], taken: set[int]) -> bool:
    return not any(id(v) in taken for layer in layers for v in layer.weights)
