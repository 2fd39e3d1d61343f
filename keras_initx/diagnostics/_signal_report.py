"""What the signal and the gradient do, before the first step of training."""

from typing import TYPE_CHECKING, Any

import keras

from keras_initx import _validate
from keras_initx._model.batches import one_labelled_batch
from keras_initx._model.training_step import cannot_call, has_call, step_on

if TYPE_CHECKING:
    from keras_initx.diagnostics._show.report import SignalReport


def signal_report(
    model: keras.Model,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    *,
    sample_weight: Any = None,
    training: bool = True,
    jacobian: bool = False,
    singular_values: bool = False,
) -> "SignalReport":
    """Looks at a model before it trains: the signal and the gradient in each layer.

    It answers "why does my network not start to learn?". A table shows what each layer
    does, in the order of execution. Verdicts say in words what is wrong with the data,
    the targets, the loss, the weights or the first update, where it begins, and what to
    use instead: one for each cause, and none for what follows from it. `VerdictKind`
    lists their kinds. For each layer the report has:

    - the fans of its kernel, by the layer's own axes;
    - mean and standard deviation of its pre-activation and of its output;
    - the share of dead units: channels that are zero for all samples and positions;
    - for bounded activations (tanh, sigmoid, ...) the share of saturated values: within
      3 % of the bounds, where tanh and sigmoid have less than 12 % of their slope;
    - the mean cosine between its outputs for different inputs: near 1, the network can
      no longer tell its inputs apart. It uses up to 16 samples, and of large outputs
      some 33,000 entries, evenly spaced;
    - the spread: how many times the output for one sample is as large as that for
      another, of up to 256 samples;
    - for `SimpleRNN`, `LSTM` and `GRU`: the standard deviation of the state after the
      first, the middle and the last step, the share of saturated gates, and with a loss
      the gradient at the input of the first step beside that of the last one;
    - for the inputs, and for each layer whose kernel gets the data: how large the
      features are, how many are constant, and the share of the largest one;
    - with `y` and a loss: mean and deviation of the targets, or how often each class
      occurs, and the entropy of that;
    - for layers that add noise, its scale beside the signal; for normalizations, over
      how many numbers they go;
    - for attention the largest weight of a query, in `report.attention`; for embeddings
      their scale beside that of positions, in `report.embeddings`;
    - with `y` and a loss: the norm of the gradient of the kernel, its ratio to the norm
      of the kernel, and the norm of the gradient of the output; and the loss beside
      what it is for a model that knows nothing, such as the logarithm of the number of
      classes;
    - with `y` and a compiled model: the first update, by which one step of its
      optimizer would change the kernel, the outputs and the loss of the batch. It is
      computed as for a model that has not been trained, and not taken.

    The model is called with `training=True`, because that is where it has to learn: a
    `BatchNormalization` then uses the batch, and not its initial statistics. Layers
    that only add noise (`Dropout`, `GaussianNoise`, ...) return their input, because
    noise would hide that inputs become alike. A container such as `MultiHeadAttention`
    shows as the layers within it, a recurrent layer as one layer. A shared layer shows
    its first call; the gradient of its kernel is that of all calls.

    Without `x` the model does not run. The report then has the kernels alone, in the
    order of the layers: their fans, the law by which their initializers draw them, and
    what is wrong with them. It says nothing about a signal that only data can show.

    A compiled model that has only a `train_step`, and no `call`, runs its training step
    once, and its updates are held back. `x`, `y` and `sample_weight` are then what
    `fit` gets, and there is no gradient.

    Nothing on the model changes: no weight, no seed, no moving average, no metric, no
    flag, and not its optimizer. NaN and infinity are shown, not raised.

    Examples:
    >>> model = keras.Sequential([keras.Input((20,))])
    >>> for _ in range(20):
    ...     model.add(keras.layers.Dense(20, kernel_initializer="random_normal"))
    >>> x, y = keras.random.normal((2, 64, 20), seed=0)
    >>> report = keras_initx.diagnostics.signal_report(model, x, y, loss="mse")
    >>> [verdict.kind for verdict in report.verdicts]
    ['vanishing_signal']
    >>> len(report), report[0].fan_in
    (20, 20)

    Args:
        model: keras.Model. Or any other layer.
        x: What the model is called with: a batch of inputs, or a dict, tuple or list of
            them. A data set is accepted too (a `keras.utils.PyDataset`,
            `tf.data.Dataset`, `DataLoader`, or generator, of `x`, `(x, y)` or
            `(x, y, sample_weight)`): its first batch is taken. 32 to 256 samples are
            enough. Defaults to `None`: only the weights of a built model are looked at.
        y: The targets, for the gradient. Defaults to `None`: those of the data set, if
            the loss is known; else no gradient.
        loss: str, `keras.losses.Loss`, function of `(y_true, y_pred)`, or a list or
            dict of these for several outputs. Defaults to `None`: that of the compiled
            model, as training computes it, with regularization.
        sample_weight: The weights of the samples. Defaults to `None`.
        training: bool. What the model is called with. Layers that only add noise
            return their input either way. Defaults to `True`.
        jacobian: bool. Whether to compute the singular values of the Jacobian from
            inputs to outputs at the first sample, which stays in its batch where a
            `BatchNormalization` mixes the samples. It is exact, and takes one backward
            pass for each of up to 1024 output numbers. Defaults to `False`.
        singular_values: bool. Whether to compute the extreme singular values of each
            kernel, as a matrix from its input and spatial axes to its output axes.
            Defaults to `False`.

    Returns:
        A report with one row for each layer. It prints as a table, also in a notebook,
        and has `verdicts`, `is_healthy`, `rows`, `inputs`, `targets`, `attention`,
        `embeddings`, `loss`, `expected_loss`, `first_update`, `trainability`,
        `jacobian`, `training`, `has_signal`, `to_dict()`, `to_pandas()` and `plot()`.

    Raises:
        ValueError: If there is a loss and no `y`, or `y` and no loss, or if the
            Jacobian is asked for where there is none; or if there is no `x`, and the
            model is not built, or something is asked for that needs data.
    """
    # A hundred files, which `import keras_initx` does not need.
    from keras_initx.diagnostics._report_of_model import (
        report_of_weights,
        report_on_batch,
    )

    if x is None:
        _check_alone(y, loss, sample_weight, jacobian)
        return report_of_weights(model, singular_values)
    if isinstance(model, keras.Model) and not has_call(model):
        if loss is not None or jacobian:
            raise cannot_call("signal_report", model)
        model, x = step_on("signal_report", model, x, y, sample_weight)
        y = sample_weight = None
    labelled = one_labelled_batch("signal_report", x, y, sample_weight)
    return report_on_batch(
        "signal_report",
        model,
        labelled,
        loss,
        is_y_given=y is not None,
        training=training,
        jacobian=jacobian,
        singular_values=singular_values,
    )


def _check_alone(y: Any, loss: Any, sample_weight: Any, jacobian: bool) -> None:
    """Raises if something is asked for that needs `x`."""
    given = {"y": y, "loss": loss, "sample_weight": sample_weight}
    asked = [name for name, value in given.items() if value is not None]
    asked += ["jacobian"] if jacobian else []
    if asked:
        raise _validate.error(
            "signal_report",
            f"`x` where there is `{asked[0]}`",
            "x=None",
            "Pass a batch of inputs; or the model alone, to look at its weights.",
        )
