"""Fixup: residual networks that train without normalization."""

from typing import Any

import keras

from keras_initx._model.branches.branch import ResidualBranch
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.left_alone import why_left_alone
from keras_initx.initializers._depth import factors
from keras_initx.initializers._fixup_scaled import he_fan_out
from keras_initx.layers import Scale, Shift
from keras_initx.schemes._depth.branch_report import BranchReport, BranchRow
from keras_initx.schemes._depth.plan import Plan
from keras_initx.schemes._depth.residuals import (
    changeable,
    linear_layers,
    residuals_of,
    row_of,
    warn_of_normalization,
)


def fixup(
    model: keras.Model,
    x: Any = None,
    *,
    initializer: Any = "default",
    zero_head: bool = True,
) -> BranchReport:
    """Fixup: starts a residual network so that it trains without normalization.

    With L residual branches, of m layers each:

    1. The last layer of each branch becomes zero, and so does the layer that makes the
       outputs: kernel and bias.
    2. The other kernels of a branch are drawn with He's variance and multiplied by

           L^(-1 / (2 m - 2))

    A step of the optimizer then changes the function that the network computes by about
    as much as in a network of one branch, at any depth. Each block starts as the
    identity.

    The third rule of the paper is a matter of the architecture: one trainable factor in
    each branch (`keras_initx.layers.Scale`), and one trainable offset before each
    convolution, dense layer and activation (`keras_initx.layers.Shift`). The report
    says where they are missing. The layers in the branches have no biases of their own.

    - The branches are found in what the model computes: additions of a branch to its
      own input, in Functional, nested and subclassed models. The input may pass through
      a projection, which is drawn with He's variance and not scaled.
    - Attention counts as it is used: value and output projection are the linear path,
      so m = 2. Queries and keys reach the output only through the softmax and keep
      their kernels. So do the layers of squeeze-and-excitation. (The authors' code for
      Transformers takes m = 4 for attention.)
    - All layers that are in no branch keep their kernels, except the last ones.
    - A branch with a layer that is frozen, quantized, or recurrent is left alone, and
      its note says so.

    If an error is raised, the weights are bit for bit what they were.

    Examples:
    >>> inputs = keras.Input((16,))
    >>> x = keras.layers.Dense(16)(inputs)
    >>> for _ in range(10):
    ...     h = keras.layers.Dense(16, "relu")(x)
    ...     x = x + keras.layers.Dense(16)(h)
    >>> model = keras.Model(inputs, keras.layers.Dense(3)(x))
    >>> report = keras_initx.schemes.fixup(model)
    >>> len(report.branches), report.branches[0].depth
    (10, 2)
    >>> round(report.branches[0].factor, 3)  # 10 ** -0.5
    0.316

    Args:
        model: keras.Model. Or any other layer.
        x: A batch of inputs, as for `model(x)`, or a data set. Only its shapes matter.
            It is needed if the model is not a Functional or Sequential one. Defaults to
            `None`.
        initializer: str, `keras.initializers.Initializer` or None. It draws the kernels
            that are scaled, each by its own axes and with a seed of its own. None keeps
            the present kernels and scales them. Defaults to `"default"`: a normal
            distribution with variance `2 / fan_out`, as in the authors' code.
        zero_head: bool. Whether the layers that make the outputs become zero. Defaults
            to `True`.

    Returns:
        A report. Its `branches` have `place`, `layers`, `depth`, `is_projection`,
        `factor` and `note`; `notes` are about the whole model. It prints as a table.

    Raises:
        ValueError: If the model has no residual branch, or if `x` is needed.

    Warns:
        UserWarning: If there is a normalization inside a branch.

    Reference:
        Zhang, Dauphin and Ma 2019, "Fixup initialization: residual learning without
        normalization", https://arxiv.org/abs/1901.09321; the fan-out is that of the
        authors' code, https://github.com/hongyi-zhang/Fixup.
    """
    found = residuals_of("fixup", model, x)
    is_default = isinstance(initializer, str) and initializer == "default"
    # The authors' fan-out is that of the kernel, also in a convolution with strides.
    plan = Plan(
        he_fan_out() if is_default else initializer, counts_strides=not is_default
    )
    rows = [_plan(plan, branch, len(found.branches)) for branch in found.branches]
    notes = _heads(plan, found.heads) if zero_head else []
    normalized = [each for b in found.branches for each in b.normalizations]
    warn_of_normalization(
        "fixup", normalized, "Remove them, or keep them and do not call `fixup`."
    )
    plan.carry_out()
    return BranchReport(rows, notes)


def _plan(plan: Plan, branch: ResidualBranch, count: int) -> BranchRow:
    """What becomes of one branch."""
    row, layers = row_of(branch), linear_layers(branch)
    kernels, row.note = changeable(layers)
    if row.note:
        return row
    row.factor = factors.fixup(count, branch.depth)
    for layer, kernel in zip(layers, kernels, strict=True):
        if layer.is_last:
            plan.zero(kernel)
        else:
            plan.scale(kernel, row.factor)
    for projection in branch.shortcut:
        described = layer_kernel(projection)
        if described and not why_left_alone(projection, described.kernel, ()):
            plan.scale(described, 1.0)
    row.note = _missing(branch)
    return row


def _missing(branch: ResidualBranch) -> str:
    """Where the branch is not built as in the paper.

    Biases of last layers move together: in one step their sum moves by L times as much.
    """
    kinds = {"Scale": Scale, "Shift": Shift}
    missing = [
        f"no {name}"
        for name, kind in kinds.items()
        if not any(isinstance(layer, kind) for layer in branch.scales)
    ]
    last = [each.described for each in branch.layers if each.is_last]
    if any(described and described.bias is not None for described in last):
        missing.append("its last layer has a bias")
    return ", ".join(missing)


def _heads(plan: Plan, heads: list[keras.layers.Layer]) -> list[str]:
    """The layers that make the outputs become zero."""
    if not heads:
        return ["The outputs are sums: there is no last layer to start at zero."]
    notes = []
    for layer in heads:
        described = layer_kernel(layer)
        reason = (
            f"a {type(layer).__name__}"
            if described is None
            else why_left_alone(layer, described.kernel, ())
        )
        if described is None or reason:
            notes.append(f"The last layer {layer.path} is left alone: it is {reason}.")
        else:
            plan.zero(described)
            notes.append(f"The last layer {layer.path} starts at zero.")
    return notes
