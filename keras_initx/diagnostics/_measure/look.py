"""What can be seen of a model on one batch: the signal, the loss, the Jacobian."""

from typing import Any

import keras

from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.sublayers import sublayers
from keras_initx._model.trace import Observer, trace
from keras_initx.diagnostics._measure.first_update import first_update, trained_by
from keras_initx.diagnostics._measure.gradients import add_gradients
from keras_initx.diagnostics._measure.input_rows import input_rows, samples_of
from keras_initx.diagnostics._measure.jacobian import jacobian_of
from keras_initx.diagnostics._measure.kernels import add_singular_values, find_equal
from keras_initx.diagnostics._measure.layer_code import codes_of
from keras_initx.diagnostics._measure.loss_facts import expected_loss
from keras_initx.diagnostics._measure.losses import (
    computes_own_loss,
    loss_of,
    preserve_loss,
)
from keras_initx.diagnostics._measure.regularization import add_regularization
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._measure.signal_pass import SignalPass
from keras_initx.diagnostics._measure.targets import is_in_range
from keras_initx.diagnostics._measure.tasks import tasks_of
from keras_initx.diagnostics._measure.trainability import add_dropped, trainability

# Inputs, targets and sample weights.
Labelled = tuple[Any, Any, Any]


def look_at_batch(
    owner: str,
    model: Any,
    labelled: Labelled,
    loss: Any,
    *,
    has_loss: bool,
    training: bool,
    jacobian: bool,
    singular_values: bool,
) -> Seen:
    """All that is measured on one batch; the model stays as it is.

    Args:
        owner: str. Whom errors name.
        model: keras.layers.Layer.
        labelled: tuple. Inputs, targets and sample weights.
        loss: As in `signal_report`.
        has_loss: bool. Whether there are targets, and a loss is known.
        training: bool. Whether the model is called as in training.
        jacobian: bool. Whether to compute the Jacobian.
        singular_values: bool. Whether to compute those of the kernels.
    """
    batch = labelled[0]
    build(model, batch)
    samples = samples_of(owner, batch)
    rows, leaves = input_rows(batch, samples)
    watch = SignalPass(samples)
    seen = Seen(watch.rows, rows, leaves=leaves, training=training)
    with hold_interrupts(), preserve_loss(model):
        output = _look_at_signal(seen, model, batch, watch)
        if singular_values:
            add_singular_values(watch.kernels)
        if has_loss:
            function = loss_of(owner, model, loss, labelled, output)
            seen.tasks = tasks_of(model, loss, labelled, output, watch.path_of)
            seen.expected_loss = expected_loss(seen.tasks)
            if loss is None and not computes_own_loss(model):
                add_regularization(watch.kernels)
            # A label that no output stands for has no loss.
            if all(map(is_in_range, seen.tasks)):
                _look_at_gradients(seen, model, batch, watch, function, output)
        if jacobian:
            is_alone = not (training and watch.mixes_samples)
            seen.jacobian = jacobian_of(model, batch, training, is_alone)
    return seen


def build(model: keras.layers.Layer, batch: Any) -> None:
    """Makes the weights that do not exist yet, by one call."""
    if not all(layer.built for layer in sublayers(model)):
        trace(model, batch, Observer())


def _look_at_signal(seen: Seen, model: Any, batch: Any, watch: SignalPass) -> Any:
    """Runs the model; its output."""
    with keras.StatelessScope(), watch.attention.held():
        output = trace(model, batch, watch, training=seen.training)
    watch.end(output)
    watch.name_rows(codes_of(model))
    find_equal(watch.kernels)
    seen.attention, seen.embeddings = watch.attention.found, watch.embeddings.found
    seen.merges, seen.readers = watch.flow.merges, watch.flow.readers
    seen.lost = watch.flow.lost
    seen.trainability = trainability(model, watch.ran)
    return output


def _look_at_gradients(
    seen: Seen, model: Any, batch: Any, watch: SignalPass, loss: Any, output: Any
) -> None:
    """Computes the loss, the gradient and the first update."""
    seen.loss, gradients = add_gradients(
        model, batch, watch, loss, seen.training, trained_by(model)
    )
    before = seen.loss, output
    seen.first_update = first_update(
        model, batch, loss, gradients, watch.kernels, before, seen.training
    )
    add_dropped(seen.trainability, model, batch, watch)
