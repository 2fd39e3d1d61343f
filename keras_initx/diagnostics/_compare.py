"""Several schemes on one architecture, side by side."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras

from keras_initx import _validate
from keras_initx._model.batches import one_labelled_batch
from keras_initx._model.changes import Changes
from keras_initx._model.interrupts import allow_interrupts, hold_interrupts
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.optimizers import begin_again
from keras_initx._model.redraw import Redraw
from keras_initx._model.sublayers import sublayers

if TYPE_CHECKING:
    from keras_initx.diagnostics._show.comparison import Comparison


def compare(
    build_or_model: keras.Model | Callable[[], keras.Model],
    schemes: dict[str, Any],
    x: Any,
    y: Any = None,
    loss: Any = None,
    *,
    sample_weight: Any = None,
    training: bool = True,
) -> "Comparison":
    """The signal reports of several schemes on one architecture, side by side.

    Each scheme sets the weights, `signal_report` looks at the model, and the next
    scheme follows. Afterwards, also after an error, all variables of a given model are
    put back bit for bit: weights, moving averages, seeds, and those of its optimizer. A
    model that was not built stays built. Other changes that a scheme makes stay too,
    for example added layers or `trainable`: for such schemes pass a function that
    builds the model. It is called once for each scheme.

    Examples:
    >>> model = keras.Sequential([keras.Input((30,))])
    >>> for _ in range(20):
    ...     model.add(keras.layers.Dense(30, activation="relu"))
    >>> x = keras.random.normal((64, 30), seed=0)
    >>> comparison = keras_initx.diagnostics.compare(
    ...     model,
    ...     {
    ...         "as it is": None,
    ...         "small": keras.initializers.RandomNormal(stddev=0.05, seed=0),
    ...         "lsuv": lambda model: keras_initx.lsuv(model, x),
    ...     },
    ...     x,
    ... )
    >>> [verdict.kind for verdict in comparison["small"].verdicts]
    ['vanishing_signal']
    >>> round(comparison["lsuv"].rows[-1].pre_activation_std, 1)
    1.0

    Args:
        build_or_model: keras.Model, or a function without arguments that builds one.
        schemes: dict. For each name what to do: None leaves the model as it is. A
            `str`, `dict` or `keras.initializers.Initializer` draws each trainable
            kernel of dense, convolutional and attention layers, by the layer's own axes
            and with a seed of its own. Any other function is called with the model and
            sets its weights.
        x: As in `signal_report`.
        y: As in `signal_report`. Defaults to `None`.
        loss: As in `signal_report`. Defaults to `None`.
        sample_weight: As in `signal_report`. Defaults to `None`.
        training: bool. As in `signal_report`. Defaults to `True`.

    Returns:
        A comparison with `reports`, a dict of signal reports by the names of the
        schemes. It prints as a table, also in a notebook, and has `to_dict()` and
        `plot()`.

    Raises:
        ValueError: If `schemes` is not a dict of at least one scheme, or if there is no
            model; or as in `signal_report`.
        Exception: What a scheme raises, with a note that names the scheme.
    """
    # As in `signal_report`.
    from keras_initx.diagnostics._report_of_model import report_on_batch
    from keras_initx.diagnostics._show.comparison import Comparison

    if not callable(build_or_model):
        raise _no_model(f"{build_or_model!r}")
    _check(schemes)
    labelled = one_labelled_batch("compare", x, y, sample_weight)
    reports = {}
    for name, scheme in schemes.items():
        try:
            with hold_interrupts(), _model(build_or_model, labelled[0]) as model:
                _apply(model, scheme)
                reports[name] = report_on_batch(
                    "compare",
                    model,
                    labelled,
                    loss,
                    is_y_given=y is not None,
                    training=training,
                )
        except Exception as error:
            error.add_note(f"This happened in the scheme {name!r}.")
            raise
    return Comparison(reports)


def _check(schemes: Any) -> None:
    """Raises if something is not a scheme, before the first one is used."""
    is_dict = isinstance(schemes, dict) and len(schemes) > 0
    if not (is_dict and all(isinstance(name, str) for name in schemes)):
        raise _validate.error(
            "compare",
            "`schemes` to be a dict of at least one scheme, by its name",
            f"schemes={schemes!r}",
            'Pass for example {"as it is": None, "he": "he_normal"}.',
        )
    for name, scheme in schemes.items():
        if not (scheme is None or _is_initializer(scheme) or callable(scheme)):
            raise _validate.error(
                "compare",
                "each scheme to be an initializer, a function of the model, or None",
                f"schemes={{{name!r}: {scheme!r}}}",
                'Pass for example "he_normal".',
            )


def _no_model(received: str) -> ValueError:
    return _validate.error(
        "compare",
        "a Keras model, or a function that builds one",
        received,
        "Pass the model itself, or a function without arguments.",
    )


def _is_initializer(scheme: Any) -> bool:
    return isinstance(scheme, str | dict | type | keras.initializers.Initializer)


@contextmanager
def _model(build_or_model: Any, batch: Any) -> Iterator[Any]:
    """The model for one scheme: a new one, or one whose weights are put back."""
    from keras_initx.diagnostics._measure.look import build

    if not isinstance(build_or_model, keras.layers.Layer):
        with allow_interrupts():
            model = build_or_model()
        if not isinstance(model, keras.layers.Layer):
            raise _no_model(f"a function that returns {model!r}")
        build(model, batch)
        yield model
        return
    build(build_or_model, batch)
    changes, optimizer = Changes(), getattr(build_or_model, "optimizer", None)
    was_built = optimizer is not None and optimizer.built
    for variable in (
        *build_or_model.variables,
        *getattr(build_or_model, "metrics_variables", ()),
        *(optimizer.variables if optimizer is not None else ()),
    ):
        changes.remember(variable)
    try:
        yield build_or_model
    finally:
        changes.undo()
        if optimizer is not None and optimizer.built and not was_built:
            begin_again(optimizer, keras.Variable.assign)


def _apply(model: keras.layers.Layer, scheme: Any) -> None:
    """Sets the weights of a model by one scheme."""
    if scheme is None:
        return
    if not _is_initializer(scheme):
        with allow_interrupts():
            scheme(model)
        return
    draws, done = Redraw(scheme), set()
    for layer in sublayers(model):
        described = layer_kernel(layer)
        for kernel, axes in described.kernels if described is not None else ():
            if id(kernel) not in done and kernel.trainable:
                done.add(id(kernel))
                with allow_interrupts():
                    value = draws(kernel, axes)
                kernel.assign(value)
