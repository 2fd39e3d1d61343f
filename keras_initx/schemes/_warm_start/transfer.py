"""One call of `warm_start`: pairs variables, decides, changes them, and reports."""

import contextlib
import functools

import keras
import numpy as np

from keras_initx._model.branches.find import Residuals, find_residuals
from keras_initx._model.branches.paths import is_normalization
from keras_initx._model.changes import Changes
from keras_initx._model.example_batch import example_batches
from keras_initx._model.interrupts import allow_interrupts, hold_interrupts
from keras_initx._model.model_variables import model_variables
from keras_initx._model.sublayers import sublayers
from keras_initx._model.variable_rules import VariableRules
from keras_initx._model.variable_seeds import VariableSeeds
from keras_initx.schemes._warm_start.automatic_choice import AutomaticChoice
from keras_initx.schemes._warm_start.decisions import Decision, Decisions
from keras_initx.schemes._warm_start.model_layers import model_layers
from keras_initx.schemes._warm_start.new_branches import torn_branches, zeroed
from keras_initx.schemes._warm_start.pairing import Pairs, pairings
from keras_initx.schemes._warm_start.refusals import (
    check_pairs,
    nothing_matches,
    unequal_units,
)
from keras_initx.schemes._warm_start.start_report import StartReport, few
from keras_initx.schemes._warm_start.stored_layers import StoredLayer
from keras_initx.schemes._warm_start.unit_check import unequal_copies
from keras_initx.schemes._warm_start.unit_copies import UnitCopies
from keras_initx.schemes._warm_start.unit_flow import UnitFlow


class Transfer:
    """One call: what is paired, what becomes of each variable, and the report."""

    def __init__(
        self, model: keras.Model, source_layers: StoredLayer, match: str
    ) -> None:
        self._model = model
        self._match = match
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
        decide = Decisions(self._pairs, rules, automatic, seeds)
        weights = {id(variable) for variable in self._model.weights}
        variables = [
            each
            for each in model_variables(self._model)
            if id(each.variable) in weights
        ]
        rules.check(variables)
        decisions = [decide.of(each) for each in variables]
        if all(decision.value is None for decision in decisions):
            reasons = [d.row.note for d in decisions if d.row.source is not None]
            raise nothing_matches(
                self._match, self._layers, self._source_layers, reasons
            )
        self._notes = self._notes_on(automatic.copies)
        self._zero_new_branches(decisions)
        self._carry_out(decisions, automatic.copies)
        rows = [decision.row for decision in decisions]
        return StartReport(rows, self._unused(decisions), self._notes)

    def _flow(self) -> UnitFlow | None:
        found = self._residuals
        return None if found is None else UnitFlow(self._model, found.graph)

    def _notes_on(self, copies: UnitCopies | None) -> list[str]:
        """Where copies of units change the function."""
        if copies is None or not copies.has_copies():
            return []
        layers = sublayers(self._model)
        unseen = [e.name for e in layers if is_normalization(e) and not e.weights]
        notes = copies.notes()
        if unseen:
            notes.append(
                f"{few(unseen)}: a normalization without weights, which may take a sum "
                "over copies of units. Then the function is not that of the source."
            )
        return notes

    def _zero_new_branches(self, decisions: list[Decision]) -> None:
        """New residual branches add nothing, unless a rule leaves them."""
        is_new = {id(d.variable): d for d in decisions if d.is_new}
        if not is_new or self._residuals is None:
            return
        variables, within = zeroed(self._residuals, {*self._pairs})
        for variable in variables:
            decision = is_new.get(id(variable))
            if decision is not None:
                shape = tuple(variable.shape)
                decision.value = functools.partial(np.zeros, shape, "float32")
                decision.row.action = "zeroed"
                decision.row.note = "a new branch, which adds nothing at first"
        others = [d.row.path for n, d in is_new.items() if n not in within]
        if variables and others:
            self._notes.append(
                f"{few(others)}: new too, and in no new branch. The function is not "
                "that of the source."
            )

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
