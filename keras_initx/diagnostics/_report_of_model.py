"""A report on a model: all is measured, judged, and put together."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.training_step import check_model
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.look import Labelled, look_at_batch
from keras_initx.diagnostics._measure.losses import has_loss
from keras_initx.diagnostics._measure.weights import look_at_weights
from keras_initx.diagnostics._show.report import SignalReport


def report_of_weights(model: Any, singular_values: bool) -> SignalReport:
    """The report on the weights of a model that does not run."""
    if not isinstance(model, keras.layers.Layer):
        check_model("signal_report", model)
    with hold_interrupts():
        seen = look_at_weights("signal_report", model, singular_values)
        return SignalReport(seen, verdicts(seen))


def report_on_batch(
    owner: str,
    model: Any,
    labelled: Labelled,
    loss: Any,
    *,
    is_y_given: bool,
    training: bool,
    jacobian: bool = False,
    singular_values: bool = False,
) -> SignalReport:
    """The report on one batch: inputs, targets and sample weights."""
    y = labelled[1]
    is_loss_known = _check(owner, model, y, loss, is_y_given)
    seen = look_at_batch(
        owner,
        model,
        labelled,
        loss,
        has_loss=y is not None and is_loss_known,
        training=training,
        jacobian=jacobian,
        singular_values=singular_values,
    )
    return SignalReport(seen, verdicts(seen))


def _check(owner: str, model: Any, y: Any, loss: Any, is_y_given: bool) -> bool:
    """Whether the loss is known. Raises where the arguments do not go together."""
    check_model(owner, model)
    is_loss_known = loss is not None or has_loss(model, is_y_given)
    if loss is not None and y is None:
        raise _validate.error(
            owner,
            "`y` where there is a loss",
            f"y=None, loss={loss!r}",
            "Pass the targets.",
        )
    if is_y_given and not is_loss_known:
        raise _validate.error(
            owner,
            "a loss where there is `y`",
            "loss=None, a model that is not compiled",
            "Pass for example loss='mse', or compile the model.",
        )
    return is_loss_known
