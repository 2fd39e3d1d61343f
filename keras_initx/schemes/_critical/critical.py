"""Every layer of a model at the edge of chaos."""

import contextlib
import warnings
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.batches import one_batch
from keras_initx._model.branches.find import Residuals, find_residuals
from keras_initx._model.changes import Changes
from keras_initx._model.example_batch import on_example
from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.selection import Selection
from keras_initx._model.training_step import check_model
from keras_initx.schemes._critical.chain import ChainPass, find_chain
from keras_initx.schemes._critical.critical_report import CriticalReport, CriticalRow
from keras_initx.schemes._critical.drawn import Drawn
from keras_initx.schemes._critical.measured_pass import MeasuredPass, measure
from keras_initx.schemes._critical.point import Point
from keras_initx.schemes._critical.points import Points
from keras_initx.schemes._depth.residuals import warn_of_normalization

_OWNER = "critical"
_NAMES = ("stable", "most_stable")


def critical(
    model: keras.Model,
    x: Any = None,
    *,
    q: Any = "most_stable",
    initializer: Any = "haar_orthogonal",
    seed: Any = None,
    layers: Any = None,
) -> CriticalReport:
    """Puts each layer of a network without normalization on the edge of chaos.

    A kernel that gets the activation f of a pre-activation of variance q is drawn with
    the variance `sigma_w^2 / fan_in`, and its bias from `N(0, sigma_b^2)`:

        sigma_w^2 = (q' / q) / E[f'(sqrt(q) z)^2]
        sigma_b^2 = q' - sigma_w^2 E[f(sqrt(q) z)^2]

    for z ~ N(0, 1), where q' is the variance that the activation after this kernel
    needs. It is q in a network of one activation, and then this is `critical_point`.
    Each sample's pre-activations go to the variance q with depth. On its way back the
    gradient keeps its mean square, times q' / q where q changes to q'. Use it for deep
    networks of GELU, SiLU and Mish, in which the plain gain lets some samples vanish
    and others explode: see `gain`. Different inputs still become alike, but slowly, as
    with ReLU.

    Measured here, after 60 layers of GELU with 512 units: samples whose root mean
    squares differ by a factor of 4 at the input differ by 1.8 at the most stable q, by
    2.6 at the smallest stable q, and by 1e9 after `lsuv`. The root mean squares of
    their gradients in the first layer differ by 3.4, 34 and 1e9.

    Each layer is set by its own activation:

    - GELU, SiLU, Mish and hard SiLU, whose critical point is stable above some q only,
      get the most stable q. See `critical_point`.
    - Tanh, ELU, SELU and others that are stable at each q get `q = 1 / depth`, where
      depth counts the hidden layers with an activation.
    - ReLU and other activations for which each q will do get the q of the next layer
      that needs one, or 1. Then sigma_w is He's, and biases are zero.
    - Kernels that get the inputs of the model are scaled so that their pre-activations
      have the variance q. Their biases are zero.
    - Layers that make the outputs get outputs of variance 1, and zero biases.
    - An activation without a critical point, such as softplus, is an error, except
      where it makes the outputs.

    With a batch `x`, all that the theory leaves out is measured: each kernel is
    multiplied by the factor that makes the variance of the pre-activation q on the
    batch, in one pass, as `lsuv` does. That makes up for the scale of the data, for
    pooling, and for the borders of convolutions with zero padding. Without `x`, what
    reaches the first kernels is taken to have the mean square 1.

    A layer without a bias gets the right variance from its kernel alone. Then the mean
    square of the gradient grows there, by the factor in its note.

    The theory is for chains. Networks with residual branches are refused. What comes
    from a recurrent or attention layer, from an embedding, or from an operation that is
    not known, has no known law: the next kernel gets the right variance, from `x`.
    Frozen, quantized and tied kernels and those of attention layers are left alone.

    If an error is raised, the weights are bit for bit what they were.

    Examples:
    >>> model = keras.Sequential([keras.Input((64,))])
    >>> for _ in range(20):
    ...     model.add(keras.layers.Dense(64, activation="gelu"))
    >>> model.add(keras.layers.Dense(10))
    >>> x = keras.random.normal((32, 64), seed=0)
    >>> report = keras_initx.schemes.critical(model, x, seed=0)
    >>> report[1].activation, round(report[1].q, 1), round(report[1].sigma_b, 2)
    ('gelu', 13.8, 0.62)

    Args:
        model: keras.Model. Or any other layer.
        x: A batch of inputs, as for `model(x)`, or a data set, of which the first batch
            is taken. A Functional or Sequential model needs none. Defaults to `None`.
        q: float or str. The variance of all hidden pre-activations, or which one each
            activation gets: `"stable"`, the smallest that is stable, or
            `"most_stable"`, at which a deviation falls fastest. Defaults to
            `"most_stable"`.
        initializer: str, `keras.initializers.Initializer` or None. It draws the
            kernels, each by its own axes and with a seed of its own; then each is
            scaled to its variance. None keeps the present kernels, and scales them.
            Defaults to `"haar_orthogonal"`.
        seed: int, `keras.random.SeedGenerator` or None. Defaults to `None`: other
            weights in each call.
        layers: str, layer, layer class, function of a layer, a list of these, or None.
            Which layers are set, as in `lsuv`. Defaults to `None`: all.

    Returns:
        A report with one row for each layer with a kernel, in the order of execution:
        `path`, `activation`, `q`, `sigma_w`, `sigma_b` and `note`. It prints as a
        table.

    Raises:
        ValueError: If an argument is wrong, if a hidden activation has no critical
            point, if there are residual branches, if `x` is needed, or if the batch or
            a pre-activation is not finite.

    Warns:
        UserWarning: If there is a normalization, which makes the scheme unnecessary, or
            if a layer is left alone because its pre-activation does not vary.

    Reference:
        Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017, "Deep information
        propagation", https://arxiv.org/abs/1611.01232; Xiao et al. 2018, "Dynamical
        isometry and a mean field theory of CNNs", https://arxiv.org/abs/1806.05393;
        Hayou, Doucet and Rousseau 2019, "On the impact of the activation function on
        deep neural networks training", https://arxiv.org/abs/1902.06853. The stable q,
        and the rule for a mix of activations, are derived here.
    """
    check_model(_OWNER, model)
    q = _checked_variance(q)
    selection = Selection(_OWNER, layers)
    changes = Changes()
    drawn = Drawn(model, initializer, seed, changes)
    batch = None if x is None else one_batch(_OWNER, x, 1)
    points, normalizations = _look(model, batch, q, selection)
    warn_of_normalization(
        _OWNER, normalizations, "Keep them and do not call `critical`, or remove them."
    )
    try:
        with hold_interrupts(), changes:
            drawn(points)
            measured = None
            if batch is not None:
                measured = measure(model, batch, points, changes)
                for message in measured.warnings:
                    warnings.warn(message, stacklevel=2)
            rows = [_row(point, measured) for point in points]
        return CriticalReport(rows, is_measured=batch is not None)
    except KeyboardInterrupt:
        # It came after the last change: there is no report, and so no change.
        changes.undo()
        raise


def _look(
    model: keras.layers.Layer, batch: Any, q: Any, selection: Selection
) -> tuple[list[Point], list[keras.layers.Layer]]:
    """What is to be done, before anything is changed."""

    def look(batch: Any) -> tuple[ChainPass, Residuals | None]:
        return find_chain(model, batch), _residuals(model, batch)

    found = on_example(_OWNER, model, look) if batch is None else look(batch)
    chain, residuals = found
    in_branches: set[int] = set()
    if residuals is not None:
        chain.mark_outputs({id(head) for head in residuals.heads})
        in_branches = {id(e.layer) for b in residuals.branches for e in b.layers}
    is_measured = batch is not None
    points = Points(chain.layers, q, selection, in_branches, is_measured).points
    selection.check([point.path for point in points])
    if not points:
        raise _validate.error(
            _OWNER,
            "a model with layers that have a kernel and run",
            f"the model {model.name!r}, which has none",
            "Pass a model with dense layers or convolutions.",
        )
    return points, chain.normalizations


def _residuals(model: keras.layers.Layer, batch: Any) -> Residuals | None:
    """The residual branches; None where the operations cannot be traced."""
    with contextlib.suppress(Exception):
        return find_residuals(model, batch)
    return None


def _checked_variance(q: Any) -> Any:
    if isinstance(q, str) and q in _NAMES:
        return q
    if not (_validate.is_number(q) and q > 0):
        raise _validate.error(
            _OWNER,
            "`q` to be a finite number above 0, 'stable' or 'most_stable'",
            f"q={q!r}",
            "Pass for example 'most_stable' or 10.0.",
        )
    return float(q)


def _row(point: Point, measured: MeasuredPass | None) -> CriticalRow:
    """What the report says of a layer."""
    row = CriticalRow(point.path, point.applied.name)
    if not point.is_set:
        row.note = f"left alone: {point.left_alone}"
        return row
    row.q, row.sigma_w, row.sigma_b = point.variance, point.sigma_w, point.sigma_b
    notes = list(point.notes)
    found = None if measured is None else measured.row_of(point.chain.layer)
    if found is not None:
        row.sigma_w *= found.factor or 1.0
        notes += [found.note] if found.note else []
    row.note = "; ".join(notes)
    return row
