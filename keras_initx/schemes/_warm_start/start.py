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
    """Starts a model from the weights of another one, which is similar.

    Variables of one shape are taken as they are. Where shapes differ, a rule resizes
    the array of the source. Where the function of the source can be kept, it is.
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
