"""Starts a model from the weights of a similar one."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.variable_rules import VariableRules
from keras_initx._model.variable_seeds import VariableSeeds
from keras_initx.schemes._warm_start.model_layers import model_layers
from keras_initx.schemes._warm_start.refusals import check_model, check_rules
from keras_initx.schemes._warm_start.start_report import StartReport
from keras_initx.schemes._warm_start.stored_layers import StoredLayer
from keras_initx.schemes._warm_start.transfer import Transfer
from keras_initx.schemes._warm_start.weights_files import opened

_OWNER = "warm_start"
_MATCHES = ("path", "name", "shape")


def warm_start(
    model: keras.Model,
    source: Any,
    *,
    match: str = "path",
    rules: Any = None,
    seed: Any = None,
) -> StartReport:
    """Starts a model from the weights of another one that is similar, not the same.

    Variables of one shape are taken as they are, in the dtype of the model. Where
    shapes differ, a rule resizes the array of the source; the report names it:

    - `"net2net"`: more units, heads or numbers in a head. New units continue the old
      ones in turn, and what reads them shares its weights among the copies, in random
      parts that add up to 1. The function is kept, and the copies learn different
      things. Where a layer normalization takes the mean over the units, this needs a
      multiple of the old number; the report says so.
    - `"select"`: fewer units, at even distances. Of fewer layers the first are taken.
    - `"channels"`: a first convolution for images with other channels. For grey images
      the weights are summed; otherwise they are repeated in turn, times `old / new`.
    - `"vocabulary"`: the embeddings of old words are kept. Those of new ones are drawn
      from a normal distribution with the mean and the covariance of the old ones. The
      output of a language model follows.
    - `"positions"`: a longer table of positions is interpolated linearly; of a shorter
      one the first are taken. `"grid"`: one of the patches of images is interpolated by
      cubic polynomials in two dimensions, and its class token is kept.
    - `"experts"`: each expert of a mixture is a copy of the dense kernel.
    - The head stays as it is drawn if the number of classes is another one. With the
      rule `"common"` it takes the first classes, as many as both have.

    A residual branch that the source does not have starts as zero: its last kernel and
    bias, or the gamma and beta of the normalization at its end. Other variables that
    the source does not have are left.

    Units are followed through what a Functional or Sequential model computes. Another
    model does not say that: it gets no more units, and everything else.

    A file is read as plain JSON and arrays. No class, function or `Lambda` of it is
    made or run. The optimizer is left as it is: a model that was trained before should
    be compiled again.

    If an error is raised, the weights are bit for bit what they were.

    Examples:
    >>> def network(width, classes):
    ...     inputs = keras.Input((28, 28, 3))
    ...     x = keras.layers.Conv2D(width, 3, activation="relu")(inputs)
    ...     x = keras.layers.GlobalAveragePooling2D()(x)
    ...     return keras.Model(inputs, keras.layers.Dense(classes, name="head")(x))
    >>> source, model = network(16, 10), network(32, 100)
    >>> report = keras_initx.schemes.warm_start(model, source, seed=1)
    >>> report.counts()
    {'taken': 0, 'resized': 2, 'zeroed': 0, 'left': 2}
    >>> report[0].rule, report[2].note
    ('net2net', 'other class count')

    Args:
        model: keras.Model. Or any other layer that is built.
        source: keras.Model, or the path of a `.keras`, `.weights.h5` or `.weights.json`
            file.
        match: str. How variables are found in the source. `"path"`: by the places of
            their layers. Layers whose names count the layers of a program, such as
            `dense_7`, are matched in their order, so that most shapes agree. `"name"`:
            by the names of layers, wherever they stand. `"shape"`: by their order among
            variables of one shape. Defaults to `"path"`.
        rules: dict or None. What becomes of some variables. A key is a pattern of paths
            such as `"encoder/*"`, a layer class, or a function of a layer and a
            variable; the first that matches counts. A value is the name of a rule, a
            function of the old array and the new shape, or None: the variable is left.
            Defaults to `None`.
        seed: int, `keras.random.SeedGenerator` or None. For new words, and for the
            parts of `"net2net"`. Defaults to `None`: other numbers in each call.

    Returns:
        A report. Its rows have `path`, `source`, `action`, `rule`, `old_shape`, `shape`
        and `note`; an action is `"taken"`, `"resized"`, `"zeroed"` or `"left"`.
        `unused` are variables of the source that went nowhere; `notes` are about the
        whole model. It prints as a table of what was not simply taken.

    Raises:
        ValueError: If a model is not built, is quantized or has LoRA; if a file is
            broken or of another kind; if nothing matches; if a rule matches nothing or
            does not fit; or if the model does something with its units that is not
            understood, so that copies of one differ.

    Reference:
        - Chen, Goodfellow and Shlens 2016, "Net2Net: Accelerating learning via
          knowledge transfer", https://arxiv.org/abs/1511.05641.
        - Xu et al. 2024, "Initializing models with larger ones",
          https://arxiv.org/abs/2311.18823.
        - Hewitt 2021, "Initializing new word embeddings for pretrained language
          models", https://nlp.stanford.edu/~johnhew/vocab-expansion.html.
        - Komatsuzaki et al. 2023, "Sparse upcycling: Training mixture-of-experts from
          dense checkpoints", https://arxiv.org/abs/2212.05055.
    """
    match = _validate.choice(_OWNER, "match", match, _MATCHES)
    matcher = VariableRules(_OWNER, rules, '{"*/query/kernel": None}')
    check_rules(matcher)
    check_model(model, "model")
    seeds = VariableSeeds(_OWNER, seed)
    with _layers_of(source) as source_layers:
        return Transfer(model, source_layers, match).run(matcher, seeds)


@contextlib.contextmanager
def _layers_of(source: Any) -> Iterator[StoredLayer]:
    """The tree of the source, which is a model or a file."""
    if isinstance(source, keras.layers.Layer):
        check_model(source, "source")
        yield model_layers(source)
    elif isinstance(source, str | os.PathLike):
        with opened(source) as layers:
            yield layers
    else:
        raise _validate.error(
            _OWNER,
            "`source` to be a Keras model or the path of a file",
            f"source={source!r}",
            "Pass the model itself, or for example 'model.keras'.",
        )
