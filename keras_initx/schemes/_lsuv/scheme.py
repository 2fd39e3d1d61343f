"""Layer-sequential unit variance, in one forward pass."""

import warnings
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.batches import one_batch
from keras_initx._model.changes import Changes
from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.redraw import Redraw
from keras_initx._model.selection import Selection
from keras_initx._model.sublayers import sublayers
from keras_initx._model.trace import trace
from keras_initx._model.training_step import check_model
from keras_initx.schemes._lsuv.layer_pass import LSUVPass
from keras_initx.schemes._lsuv.lsuv_report import LSUVReport

# With verbose="auto" a model with more layers than this gets a progress bar.
_MANY_LAYERS = 50

# float32 holds the squares of these, and the kernels that lead to them.
_SMALLEST_STD, _LARGEST_STD = 1e-10, 1e10


def lsuv(
    model: keras.Model,
    x: Any,
    *,
    target_std: float = 1.0,
    initializer: Any = "haar_orthogonal",
    tolerance: float = 0.01,
    per_channel: bool = False,
    center: bool = False,
    layers: Any = None,
    batches: int = 1,
    strict: bool = False,
    verbose: Any = "auto",
) -> LSUVReport:
    """Layer-sequential unit variance: scales each kernel by the data that reach it.

    Each kernel is drawn orthonormal (step 1 of the paper). Then it is multiplied by the
    factor that gives the layer's pre-activation `z = factor * kernel * inputs + bias`
    the standard deviation `target_std` on the batch (step 2):

        factor^2 Var[a] + 2 factor Cov[a, bias] + Var[bias] = target_std^2

    with `a = kernel * inputs`. The variance is taken over samples, positions and
    channels together. Without biases, `factor = target_std / Std[a]`. Use it for
    networks without normalization, and for activations whose gain is not known.

    It sets the scale of the whole batch, and not that of each sample. With GELU, SiLU
    and Mish, samples that differ in scale differ more after each layer. In deep
    networks of these use `critical`.

    The model runs once, eagerly and in inference mode. Each layer is corrected when it
    is called, before its activation, and passes on the corrected output. So all layers
    after it see the right inputs, in the order in which the model really runs.

    - `Dense`, `EinsumDense` and all convolutions (transposed, depthwise, separable) are
      scaled, also in attention layers and within other layers and models. Any other
      layer with a `kernel` is scaled, run again and measured again. Embeddings, frozen
      and quantized layers are left alone.
    - In `SimpleRNN`, `LSTM` and `GRU` the input kernel is scaled, so that the
      pre-activations of all gates together, over all steps and without their biases,
      have the deviation. The layer runs some more times, because the states follow the
      kernel. The gates of both kernels are drawn each on its own. A recurrent kernel
      whose gates are orthogonal already, or the identity, stays as it is.
    - A shared layer is scaled at its first call, and a tied kernel once.
    - Positions that a Keras mask hides do not count.
    - A layer whose pre-activation does not vary is left alone, with a warning.
    - A model without a `call`, which has only a `train_step`, cannot be called on `x`.
      Use the callback `LSUV`, or call `lsuv` on each of its sub-models.

    If an error is raised, the weights are bit for bit what they were.

    Examples:
    >>> model = keras.Sequential([keras.Input((20,))])
    >>> for _ in range(30):
    ...     model.add(keras.layers.Dense(20, activation="tanh"))
    >>> x = keras.random.normal((256, 20), seed=0)
    >>> report = keras_initx.schemes.lsuv(model, x)
    >>> len(report.scaled)
    30
    >>> all(abs(row.std_after - 1) <= 0.01 for row in report)
    True

    Args:
        model: keras.Model. Or any other layer.
        x: What the model is called with: a batch of inputs, or a dict, tuple or list of
            them. A data set is accepted too (a `keras.utils.PyDataset`,
            `tf.data.Dataset`, `DataLoader`, or generator, of `x`, `(x, y)` or
            `(x, y, sample_weight)`): the first `batches` batches are taken from it.
        target_std: float. The standard deviation of each pre-activation, between 1e-10
            and 1e10. Defaults to `1.0`.
        initializer: str, `keras.initializers.Initializer` or None. It draws the kernels
            first, each by its own axes and with a seed of its own. None keeps the
            present kernels. Defaults to `"haar_orthogonal"`.
        tolerance: float. A layer whose standard deviation has at most this relative
            error is left as it is. Defaults to `0.01`.
        per_channel: bool. Whether each output channel gets the standard deviation on
            its own. Defaults to `False`: one factor for the layer.
        center: bool. Whether the bias is shifted so that the mean of the pre-activation
            becomes 0, of each channel with `per_channel`. Defaults to `False`.
        layers: str, layer, layer class, function of a layer, a list of these, or None.
            Which layers are scaled. A name, a path, a class or a layer also selects
            the layers within it. Defaults to `None`: all.
        batches: int. The number of batches whose samples are taken together. Defaults
            to `1`.
        strict: bool. Whether it is an error if a layer cannot be scaled because its
            pre-activation does not vary. Defaults to `False`.
        verbose: `"auto"`, 0 or 1. 1 shows a progress bar. Defaults to `"auto"`: a bar
            for a model of more than 50 such layers.

    Returns:
        A report with one row for each layer with weights, in the order of execution:
        `path`, `type`, `calls`, `std_before`, `std_after`, `mean`, `factor`,
        `is_scaled` and `note`. It prints as a table, also in a notebook, and has
        `scaled`, `skipped`, `to_dict()` and `plot()`.

    Raises:
        ValueError: If an argument is wrong, if `layers` selects no layer, if the batch
            or a pre-activation is not finite (the error names the layer), if the model
            has no `call`, or with `strict`.

    Warns:
        UserWarning: If no layer is scaled, because the model has none that can be, or
            if a layer is left alone because its pre-activation does not vary.

    Reference:
        - [Mishkin & Matas, 2016, All you need is a good
          init](https://arxiv.org/abs/1511.06422)
    """
    check_model("lsuv", model, "Or train with the callback `LSUV`.")
    scheme = LSUVPass(
        changes=Changes(),
        draws=None if initializer is None else Redraw(initializer),
        selection=Selection("lsuv", layers),
        target_std=checked_target_std("lsuv", target_std),
        tolerance=_validate.positive("lsuv", "tolerance", tolerance),
        per_channel=per_channel,
        center=center,
        strict=strict,
        progress=_progress(model, verbose),
    )
    batches = _validate.positive_integer("lsuv", "batches", batches)
    batch = one_batch("lsuv", x, batches)
    try:
        with hold_interrupts(), scheme.changes:
            trace(model, batch, scheme)
            rows = scheme.complete(model)
            scheme.selection.check([row.path for row in rows])
            report = LSUVReport(scheme.target_std, rows)
            for message in scheme.warnings or _nothing_scaled(report):
                warnings.warn(message, stacklevel=2)
        return report
    except KeyboardInterrupt:
        # It came after the last change: there is no report, and so no change.
        scheme.changes.undo()
        raise


def checked_target_std(owner: str, value: Any) -> float:
    """A standard deviation whose square float32 can hold."""
    value = _validate.positive(owner, "target_std", value)
    if not _SMALLEST_STD <= value <= _LARGEST_STD:
        raise _validate.error(
            owner,
            f"`target_std` to be between {_SMALLEST_STD:g} and {_LARGEST_STD:g}",
            f"target_std={value!r}",
            "The usual value is 1.0.",
        )
    return value


def _nothing_scaled(report: LSUVReport) -> list[str]:
    """A warning if no layer has been scaled."""
    if report.scaled:
        return []
    reasons = _validate.few([f"{row.path!r} ({row.note})" for row in report])
    found = f"Left alone: {reasons}" if reasons else "No layer has a kernel"
    return [f"`lsuv` has scaled no layer of this model. {found}."]


def _progress(model: keras.Model, verbose: Any) -> keras.utils.Progbar | None:
    count = sum(layer_kernel(layer) is not None for layer in sublayers(model))
    is_shown = count > _MANY_LAYERS if verbose == "auto" else bool(verbose)
    return keras.utils.Progbar(count or None, unit_name="layer") if is_shown else None
