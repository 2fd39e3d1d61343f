"""Kernels that are smaller in deeper networks, by the rules of the literature."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.batches import one_batch
from keras_initx.schemes._depth.branch_report import BranchReport
from keras_initx.schemes._depth.branch_variances import branch_variances
from keras_initx.schemes._depth.plan import Plan
from keras_initx.schemes._depth.residuals import residuals_of, row_of
from keras_initx.schemes._depth.rules import RULES, Rule, Work
from keras_initx.schemes._depth.streams import Stream, streams_of


def depth_scale(
    model: keras.Model, rule: str, x: Any = None, *, initializer: Any = None
) -> BranchReport:
    """Scales the residual branches of a model by their number, by a published rule.

    With N transformer layers and L residual additions, counted in each stack:

    - `"gpt2"`: the last kernel of each branch times `L^(-1/2)`. The variance of the
      residual stream then does not grow with depth.
    - `"deepnorm"`: value, output and feed-forward kernels times beta, for
      post-normalized transformers whose shortcuts are multiplied by alpha. A step of
      the optimizer changes the function little at any depth. In one stack

          alpha = (2 N)^(1/4)               beta = (8 N)^(-1/4)

      and with an encoder of N and a decoder of M layers

          alpha = 0.81 (N^4 M)^(1/16)       beta = 0.87 (N^4 M)^(-1/16)     encoder
          alpha = (3 M)^(1/4)               beta = (12 M)^(-1/4)            decoder

      A `keras_initx.layers.Scale` that stands on a shortcut gets alpha. The report
      names alpha where there is none.
    - `"rezero"` and `"skip_init"`: the `keras_initx.layers.Scale`, or the layer scale,
      of each branch is 0. Each block starts as the identity.
    - `"zero_gamma"`: gamma of the normalization at the end of each branch is 0, for the
      same in normalized residual networks.
    - `"admin"`: in post-normalized transformers no branch dominates the first layers'
      sum if the shortcut of branch i is multiplied by

          omega_i = sqrt(Var[x_0] + Var[f_1] + ... + Var[f_(i-1)])

      of what enters the stack, and of the branches before. The variances are those of
      one pass. A `Scale` on the shortcut gets omega. Where there is none, the last
      kernel and bias of the branch are divided by it: the normalization after the
      addition makes that the same function.
    - `"complete_p"`: each branch times `1 / L`, by its `Scale` if it has one, by its
      last kernel otherwise. This is the part of CompleteP that concerns the start;
      learning rates and weight decay are yours.

    All factors are factors of the standard deviation. `scale` of Keras's
    `VarianceScaling` is a variance: such a factor must be squared there.

    If an error is raised, the weights are bit for bit what they were.

    Examples:
    >>> inputs = keras.Input((16,))
    >>> x = inputs
    >>> for _ in range(8):
    ...     h = keras.layers.Dense(64, "relu")(x)
    ...     x = x + keras.layers.Dense(16)(h)
    >>> model = keras.Model(inputs, x)
    >>> report = keras_initx.schemes.depth_scale(model, "gpt2")
    >>> round(report.branches[0].factor, 4)  # 8 ** -0.5
    0.3536

    Args:
        model: keras.Model. Or any other layer.
        rule: str. One of the names above.
        x: A batch of inputs, as for `model(x)`, or a data set. For `"admin"` real data
            are needed; for the other rules only the shapes matter, and a Functional or
            Sequential model needs none. Defaults to `None`.
        initializer: str, `keras.initializers.Initializer` or None. It draws the kernels
            that are scaled, each by its own axes and with a seed of its own. Defaults
            to `None`: the present kernels are scaled.

    Returns:
        A report. Its `branches` have `place`, `layers`, `depth`, `is_projection`,
        `factor` and `note`; `notes` are about the whole model. It prints as a table.

    Raises:
        ValueError: If the rule is unknown, if the model has no residual branch, if no
            branch has what the rule sets, or if `x` is needed.

    Reference:
        - gpt2: Radford et al. 2019, "Language models are unsupervised multitask
          learners", section 2.3.
        - deepnorm: Wang et al. 2022, "DeepNet: scaling transformers to 1,000 layers",
          figure 2, https://arxiv.org/abs/2203.00555.
        - rezero: Bachlechner et al. 2020, https://arxiv.org/abs/2003.04887.
        - skip_init: De and Smith 2020, https://arxiv.org/abs/2002.10444.
        - zero_gamma: Goyal et al. 2017, section 5.1, https://arxiv.org/abs/1706.02677.
        - admin: Liu et al. 2020, "Understanding the difficulty of training
          transformers", section 4, https://arxiv.org/abs/2004.08249.
        - complete_p: Dey et al. 2025, https://arxiv.org/abs/2505.01618.
    """
    chosen = RULES[_validate.choice("depth_scale", "rule", rule, tuple(RULES))]
    if chosen.is_measured and x is None:
        raise _validate.error(
            "depth_scale",
            f"a batch of inputs `x` for rule={rule!r}, which measures the branches",
            "x=None",
            "Pass a batch of real data.",
        )
    found = residuals_of("depth_scale", model, x)
    streams = streams_of(found)
    plan = Plan(initializer)
    works = [_work(plan, stream, streams) for stream in streams]
    if chosen.is_measured:
        batch = one_batch("depth_scale", x, 1)
        for work in works:
            work.variances = branch_variances(model, batch, found, work.stream)
    notes = [note for work in works for note in chosen.apply(work)]
    rows = {id(branch): row for work in works for branch, row in work.pairs}
    ordered = [rows[id(branch)] for branch in found.branches]
    _check(model, rule, chosen, ordered)
    plan.carry_out()
    return BranchReport(ordered, list(dict.fromkeys(notes)))


def _work(plan: Plan, stream: Stream, streams: list[Stream]) -> Work:
    """What a rule gets for one stream: also how deep the one beside it is."""
    others = [other for other in streams if other.is_cross != stream.is_cross]
    rows = [row_of(branch) for branch in stream.branches]
    return Work(plan, stream, rows, others[0].layers if others else 0)


def _check(model: keras.layers.Layer, name: str, rule: Rule, rows: list[Any]) -> None:
    """Raises a `ValueError` if no branch has what the rule sets."""
    if rule.needs and not any(row.factor is not None for row in rows):
        raise _validate.error(
            "depth_scale",
            f"{rule.needs} in each residual branch, for rule={name!r}",
            f"the model {model.name!r}, whose {len(rows)} branches have none that can "
            f"be set. The first one: {', '.join(rows[0].layers)} ({rows[0].note})",
            "Put one at the end of each branch, or use another rule, such as 'gpt2'.",
        )
