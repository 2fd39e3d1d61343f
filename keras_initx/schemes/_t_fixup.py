"""T-Fixup: transformers that train without normalization and without warm-up."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._keras import embeddings_variable
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.branches.branch import ResidualBranch
from keras_initx._model.branches.find import Residuals
from keras_initx._model.branches.paths import Paths, is_normalization
from keras_initx.initializers import TFixupScaled
from keras_initx.initializers._depth import factors
from keras_initx.schemes._depth.branch_report import BranchReport, BranchRow
from keras_initx.schemes._depth.plan import Plan
from keras_initx.schemes._depth.residuals import (
    changeable,
    linear_layers,
    residuals_of,
    row_of,
    warn_of_normalization,
)
from keras_initx.schemes._depth.streams import Stream, streams_of

_STACKS = ("auto", "encoder", "decoder")


def t_fixup(
    model: keras.Model,
    x: Any = None,
    *,
    stack: str = "auto",
    initializer: Any = "glorot_uniform",
) -> BranchReport:
    """T-Fixup: starts a transformer so that it needs no normalization and no warm-up.

    In each residual branch the kernels on the linear path are drawn by Glorot's rule
    and multiplied by a factor: the value and output projections of attention, and the
    feed-forward kernels. With N layers in a stack:

        0.67 N^(-1/4)      in an encoder
        (9 N)^(-1/4)       in a decoder

    Token embeddings of d numbers are drawn from `N(0, 1 / d)` and multiplied by
    `(9 N)^(-1/4)`; embeddings that both stacks share are those of the encoder. Query
    and key kernels, and all others, stay as they are.

    The model must have no `LayerNormalization`. Train it with Adam at its full learning
    rate from the first step.

    - The attention may be Keras's own or any other: the branches are found in what the
      model computes.
    - A stack that attends to another one is a decoder. So is one that is causal: if
      Keras's attention is called with `use_causal_mask=True`, or if the class of a
      layer around it is named a decoder, as in keras_hub. The factor of the paper is
      derived for decoders that attend to an encoder; for others it is an extension.
    - A branch with a layer that is frozen or quantized is left alone, and its note says
      so.

    If an error is raised, the weights are bit for bit what they were.

    Examples:
    >>> inputs = keras.Input((7, 16))
    >>> x = inputs
    >>> for _ in range(4):
    ...     x = x + keras.layers.MultiHeadAttention(2, 8)(x, x)
    ...     h = keras.layers.Dense(64, "relu")(x)
    ...     x = x + keras.layers.Dense(16)(h)
    >>> model = keras.Model(inputs, x)
    >>> report = keras_initx.schemes.t_fixup(model)
    >>> len(report.branches), round(report.branches[0].factor, 4)  # 0.67 * 4 ** -0.25
    (8, 0.4738)

    Args:
        model: keras.Model. Or any other layer.
        x: A batch of inputs, as for `model(x)`, or a data set. Only its shapes matter.
            It is needed if the model is not a Functional or Sequential one. Defaults to
            `None`.
        stack: str. `"encoder"` or `"decoder"`: what all stacks of the model are.
            Defaults to `"auto"`: see above.
        initializer: str, `keras.initializers.Initializer` or None. It draws the kernels
            that are scaled, each by its own axes and with a seed of its own. None keeps
            the present kernels and scales them, and keeps the embeddings. Defaults to
            `"glorot_uniform"`.

    Returns:
        A report. Its `branches` have `place`, `layers`, `depth`, `is_projection`,
        `factor` and `note`; `notes` are about the whole model. It prints as a table.

    Raises:
        ValueError: If the model has no residual branch with attention, if `x` is
            needed, or if `stack` is unknown.

    Warns:
        UserWarning: If the model has normalization layers.

    Reference:
        Huang, Perez, Ba and Volkovs 2020, "Improving transformer optimization through
        better initialization", section 3.2,
        https://proceedings.mlr.press/v119/huang20f.html.
    """
    stack = _validate.choice("t_fixup", "stack", stack, _STACKS)
    found = residuals_of("t_fixup", model, x)
    if not any(branch.has_attention for branch in found.branches):
        raise _validate.error(
            "t_fixup",
            "a model with attention in its residual branches",
            f"the model {model.name!r}, whose residual branches have none",
            "Use `fixup`.",
        )
    plan, rows, notes = Plan(initializer), {}, []
    streams = streams_of(found)
    # Embeddings that both stacks share are those of the encoder.
    for stream in sorted(streams, key=lambda each: each.is_cross):
        kind = stack
        if stack == "auto":
            kind = "decoder" if stream.is_decoder else "encoder"
        for branch in stream.branches:
            rows[id(branch)] = _plan(plan, branch, kind, stream.layers)
        if initializer is not None:
            notes += _embeddings(plan, found, stream)
    normalized = [
        node.layer
        for node in found.graph.nodes
        if node.layer is not None and is_normalization(node.layer)
    ]
    warn_of_normalization(
        "t_fixup", normalized, "Remove them, or keep them and do not call `t_fixup`."
    )
    plan.carry_out()
    ordered = [rows[id(branch)] for branch in found.branches]
    return BranchReport(ordered, notes)


def _plan(plan: Plan, branch: ResidualBranch, kind: str, layers: int) -> BranchRow:
    """What becomes of one branch."""
    row = row_of(branch)
    kernels, row.note = changeable(linear_layers(branch))
    if row.note:
        return row
    row.factor = factors.t_fixup(layers, kind)
    row.note = f"{kind} of {layers} {'layer' if layers == 1 else 'layers'}"
    for kernel in kernels:
        plan.scale(kernel, row.factor)
    return row


def _embeddings(plan: Plan, found: Residuals, stream: Stream) -> list[str]:
    """The embeddings that lead to a stream through no other kernel."""
    paths, start = Paths(found.graph.nodes), stream.branches[0].inputs
    notes = []
    for place, node in enumerate(found.graph.nodes[: start + 1]):
        layer = node.layer
        if not isinstance(layer, keras.layers.Embedding):
            continue
        leads = paths.leads(place, start) and not paths.least_kernels(place, start)
        if place != start and not leads:
            continue
        table = embeddings_variable(layer)
        if not layer.trainable or layer.quantization_mode is not None:
            notes.append(f"The embeddings {layer.path} are frozen, and left alone.")
            continue
        initializer = TFixupScaled(stream.layers, part="embedding")
        axes = KernelAxes.resolve("t_fixup", tuple(table.shape))
        plan.draw(table, axes, initializer)
        factor = factors.t_fixup_embedding(stream.layers)
        notes.append(f"The embeddings {layer.path} are scaled by {factor:.4g}.")
    return notes
