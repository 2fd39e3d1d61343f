"""Layer-sequential unit variance, in one forward pass."""

import warnings
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._changes import Changes
from keras_initx._linear import linear
from keras_initx._trace import sublayers, trace
from keras_initx.schemes._batches import one_batch
from keras_initx.schemes._draws import Draws
from keras_initx.schemes._lsuv_pass import LSUVPass
from keras_initx.schemes._lsuv_report import LSUVReport
from keras_initx.schemes._selection import Selection

# With verbose="auto" a model with more layers than this gets a progress bar.
_MANY_LAYERS = 50


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
    """TODO."""
    scheme = LSUVPass(
        changes=Changes(),
        draws=None if initializer is None else Draws(initializer),
        selection=Selection("lsuv", layers),
        target_std=_validate.positive("lsuv", "target_std", target_std),
        tolerance=_validate.positive("lsuv", "tolerance", tolerance),
        per_channel=per_channel,
        center=center,
        strict=strict,
        progress=_progress(model, verbose),
    )
    batches = _validate.positive_integer("lsuv", "batches", batches)
    batch = one_batch("lsuv", x, batches)
    with scheme.changes:
        trace(model, batch, scheme)
        rows = scheme.complete(model)
        scheme.selection.check([row.path for row in rows])
        for message in scheme.warnings:
            warnings.warn(message, stacklevel=2)
    return LSUVReport(scheme.target_std, rows)


def _progress(model: keras.Model, verbose: Any) -> keras.utils.Progbar | None:
    count = sum(linear(layer) is not None for layer in sublayers(model))
    is_shown = count > _MANY_LAYERS if verbose == "auto" else bool(verbose)
    return keras.utils.Progbar(count or None, unit_name="layer") if is_shown else None
