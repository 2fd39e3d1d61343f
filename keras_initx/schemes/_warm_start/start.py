"""Starts a model from the weights of a similar one."""

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_initx import _validate
from keras_initx._model.branches.find import Residuals, find_residuals
from keras_initx._model.changes import Changes
from keras_initx._model.example_batch import example_batches
from keras_initx._model.interrupts import allow_interrupts, hold_interrupts
from keras_initx.schemes._warm_start.automatic_choice import AutomaticChoice
from keras_initx.schemes._warm_start.decisions import Decision, Decisions
from keras_initx.schemes._warm_start.model_layers import model_layers
from keras_initx.schemes._warm_start.new_branches import torn_branches, zeroed
from keras_initx.schemes._warm_start.pairing import Pairs, pairings
from keras_initx.schemes._warm_start.refusals import (
    check_model,
    check_pairs,
    check_rules,
    nothing_matches,
    unequal_units,
)
from keras_initx.schemes._warm_start.rule_matching import VariableRules
from keras_initx.schemes._warm_start.start_report import StartReport
from keras_initx.schemes._warm_start.stored_layers import StoredLayer
from keras_initx.schemes._warm_start.unit_check import unequal_copies
from keras_initx.schemes._warm_start.unit_copies import UnitCopies
from keras_initx.schemes._warm_start.unit_flow import UnitFlow
from keras_initx.schemes._warm_start.variable_seeds import VariableSeeds
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
    matcher = VariableRules(_OWNER, rules)
    check_rules(matcher)
    check_model(model, "model")
    seeds = VariableSeeds(_OWNER, seed)
    with _layers_of(source) as source_layers:
        start = _Start(model, source, source_layers, match)
        return start.run(matcher, seeds)


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


class _Start:
    """One call: what is paired, what becomes of each variable, and the report."""

    def __init__(
        self, model: keras.Model, source: Any, source_layers: StoredLayer, match: str
    ) -> None:
        self._model, self._source, self._match = model, source, match
        self._source_layers = source_layers
        self._notes: list[str] = []
        self._layers = model_layers(model)
        self._pairs = self._best_pairs()
        check_pairs(self._layers, self._pairs)

    @functools.cached_property
    def _residuals(self) -> Residuals | None:
        """The graph of the model and its branches; None if it says no inputs."""
        for batch in example_batches(self._model):
            # A size that the model leaves open may be too small for it.
            with contextlib.suppress(Exception):
                return find_residuals(self._model, batch)
        return None

    def _best_pairs(self) -> Pairs:
        """Of several ways to pair layers, the one that tears no residual branch."""
        first, last = pairings(self._match, self._layers, self._source_layers)
        if _sources(first) == _sources(last) or self._residuals is None:
            return first
        counts = [torn_branches(self._residuals, {*each}) for each in (first, last)]
        return last if counts[1] < counts[0] else first

    def run(self, rules: VariableRules, seeds: VariableSeeds) -> StartReport:
        """Decides, changes the variables, and reports."""
        automatic = AutomaticChoice(self._model, self._layers, self._pairs, self._flow)
        decide = Decisions(self._layers, self._pairs, rules, automatic, seeds)
        weights = list(self._model.weights)
        decisions = [decide.of(variable) for variable in weights]
        rules.check([variable.path for variable in weights])
        if all(decision.value is None for decision in decisions):
            raise nothing_matches(
                self._match, self._layers, self._source_layers, self._pairs
            )
        self._notes = [] if automatic.copies is None else automatic.copies.notes()
        self._zero_new_branches(decisions)
        self._carry_out(decisions, automatic.copies)
        rows = [decision.row for decision in decisions]
        return StartReport(rows, self._unused(decisions), self._notes)

    def _flow(self) -> UnitFlow | None:
        found = self._residuals
        return None if found is None else UnitFlow(self._model, found.graph)

    def _zero_new_branches(self, decisions: list[Decision]) -> None:
        """New residual branches add nothing, unless a rule leaves them."""
        is_new = {id(d.variable): d for d in decisions if d.is_new}
        if not is_new or self._residuals is None:
            return
        for variable in zeroed(self._residuals, {*self._pairs}):
            decision = is_new.get(id(variable))
            if decision is not None:
                shape = tuple(variable.shape)
                decision.value = functools.partial(np.zeros, shape, "float32")
                decision.row.action = "zeroed"
                decision.row.note = "a new branch, which adds nothing at first"

    def _carry_out(self, decisions: list[Decision], copies: UnitCopies | None) -> None:
        """Changes the variables. After an error all are bit for bit as before."""
        changes = Changes()
        with hold_interrupts(), changes:
            for decision in decisions:
                if decision.value is not None:
                    with allow_interrupts():
                        value = decision.value()
                    changes.assign(decision.variable, value)
            if copies is not None and copies.has_copies():
                self._check(decisions, copies)

    def _check(self, decisions: list[Decision], copies: UnitCopies) -> None:
        """Raises a `ValueError` if the copies of a unit are not equal."""
        left = {id(d.variable) for d in decisions if d.value is None}
        path = unequal_copies(self._model, copies.flow, left)
        if path and not copies.touches(left):
            raise unequal_units(path)
        if path:
            self._notes.append(
                "Layers that the source does not have stand among wider ones: the "
                f"function is not kept. The first layer that shows it is {path}."
            )

    def _unused(self, decisions: list[Decision]) -> list[str]:
        """The variables of the source that went nowhere."""
        used = {d.row.source for d in decisions if d.value is not None}
        paths = (each.path for each in self._source_layers.all_variables())
        return [path for path in paths if path not in used]


def _sources(pairs: Pairs) -> dict[int, int]:
    return {number: id(source) for number, source in pairs.items()}
