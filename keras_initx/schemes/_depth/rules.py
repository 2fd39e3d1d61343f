"""The rules of `depth_scale`: what each of them does to the branches of one stream."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from keras_initx._model.branches.branch import BranchLayer, ResidualBranch
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx.initializers._depth import factors
from keras_initx.layers import Scale
from keras_initx.schemes._depth.branch_report import BranchRow
from keras_initx.schemes._depth.plan import Plan
from keras_initx.schemes._depth.residuals import changeable, linear_layers
from keras_initx.schemes._depth.streams import Stream


@dataclasses.dataclass
class Work:
    """What a rule works on.

    Attributes:
        plan: Plan.
        stream: Stream.
        rows: list of BranchRow. One for each branch of the stream, to be filled.
        other_layers: int. The number of layers of the stream that this one attends to,
            or that attends to this one; 0 if there is none.
        variances: list of float. Of what enters the stream, and of each branch. Only
            for rules that are measured.
    """

    plan: Plan
    stream: Stream
    rows: list[BranchRow]
    other_layers: int = 0
    variances: list[float] = dataclasses.field(default_factory=list)

    @property
    def pairs(self) -> list[tuple[ResidualBranch, BranchRow]]:
        """The branches with their rows."""
        return list(zip(self.stream.branches, self.rows, strict=True))


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        apply: Callable. Plans it for one stream, and returns notes.
        needs: str. What a model must have for it; empty if nothing. The error says so
            if no branch has it.
        is_measured: bool. Whether it needs the variances on a batch.
    """

    apply: Callable[[Work], list[str]]
    needs: str = ""
    is_measured: bool = False


def _gpt2(work: Work) -> list[str]:
    """The last kernel of each branch, by 1 / sqrt(number of additions)."""
    factor = factors.gpt2(len(work.rows) / 2)
    for branch, row in work.pairs:
        _scale_kernels(work.plan, _last(branch), row, factor)
    return []


def _deepnorm(work: Work) -> list[str]:
    """The kernels on the linear path by beta; shortcuts by alpha."""
    stream, other = work.stream, work.other_layers
    alpha, beta = factors.deepnorm_of(stream.layers, other, stream.is_cross)
    has_alpha = True
    for branch, row in work.pairs:
        _scale_kernels(work.plan, linear_layers(branch), row, beta)
        scales = [each for each in branch.shortcut_scales if isinstance(each, Scale)]
        has_alpha &= bool(scales)
        for each in scales:
            work.plan.fill(each.number, alpha)
    if has_alpha:
        return [f"Each shortcut is multiplied by {alpha:.4g}."]
    return [
        f"Each shortcut must be multiplied by {alpha:.4g} before LayerNormalization: "
        f"put `keras_initx.layers.Scale({alpha:.4g})` on it."
    ]


def _zero_scale(work: Work) -> list[str]:
    """The factor at the end of each branch becomes zero."""
    for branch, row in work.pairs:
        _fill_scales(work.plan, branch, row, 0.0)
    return []


def _zero_gamma(work: Work) -> list[str]:
    """Gamma of the normalization at the end of each branch becomes zero."""
    for branch, row in work.pairs:
        gamma = getattr(branch.last_normalization, "gamma", None)
        if gamma is None:
            row.note = "no normalization with a gamma at its end"
        else:
            work.plan.fill(gamma, 0.0)
            row.factor = 0.0
    return []


def _admin(work: Work) -> list[str]:
    """The shortcut by omega: the deviation of all that was added before."""
    total, *variances = work.variances
    for (branch, row), variance in zip(work.pairs, variances, strict=True):
        omega, total = total**0.5, total + variance
        scales = [each for each in branch.shortcut_scales if isinstance(each, Scale)]
        if scales:
            work.plan.fill(scales[-1].number, omega)
            row.factor, row.note = omega, "on its shortcut"
            continue
        for kernel in _scale_kernels(work.plan, _last(branch), row, 1 / omega):
            work.plan.multiply(kernel.bias, 1 / omega)
    return []


def _complete_p(work: Work) -> list[str]:
    """The output of each branch, by 1 / number of additions."""
    factor = factors.complete_p(len(work.rows))
    for branch, row in work.pairs:
        if not _fill_scales(work.plan, branch, row, factor):
            row.note = ""
            _scale_kernels(work.plan, _last(branch), row, factor)
    return []


RULES = {
    "gpt2": Rule(_gpt2),
    "deepnorm": Rule(_deepnorm),
    "rezero": Rule(_zero_scale, "a `keras_initx.layers.Scale` or a layer scale"),
    "skip_init": Rule(_zero_scale, "a `keras_initx.layers.Scale` or a layer scale"),
    "zero_gamma": Rule(_zero_gamma, "a normalization with a gamma at its end"),
    "admin": Rule(_admin, is_measured=True),
    "complete_p": Rule(_complete_p),
}


def _last(branch: ResidualBranch) -> list[BranchLayer]:
    return [each for each in branch.layers if each.is_last]


def _scale_kernels(
    plan: Plan, layers: list[BranchLayer], row: BranchRow, factor: float
) -> list[LayerKernel]:
    """The kernels of these layers get a factor, unless one cannot be changed."""
    kernels, row.note = changeable(layers)
    if kernels:
        row.factor = factor
    for kernel in kernels:
        plan.scale(kernel, factor)
    return kernels


def _fill_scales(
    plan: Plan, branch: ResidualBranch, row: BranchRow, value: float
) -> bool:
    """The last factor of a branch gets a value; False if it has none."""
    factors_of_branch = [each for each in branch.scales if _is_scale(each)]
    if not factors_of_branch:
        row.note = "no Scale"
        return False
    if not factors_of_branch[-1].trainable:
        row.note = f"left alone: {factors_of_branch[-1].path} is frozen"
        return True
    plan.fill(factors_of_branch[-1].weights[0], value)
    row.factor = value
    return True


def _is_scale(layer: Any) -> bool:
    """Whether a layer multiplies by its only weight: ours, or any layer scale."""
    if isinstance(layer, Scale):
        return True
    name = type(layer).__name__.lower().replace("_", "")
    is_one = isinstance(layer, keras.layers.Layer) and len(layer.weights) == 1
    return is_one and "scale" in name and layer.weights[0].ndim <= 1
