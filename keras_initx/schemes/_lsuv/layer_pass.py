"""What LSUV does while the model runs: it measures each layer and scales its kernel."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx import _validate
from keras_initx._backend import scaled, stored
from keras_initx._model.changes import Changes
from keras_initx._model.interrupts import allow_interrupts
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx._model.mean_and_variance import mean_and_variance
from keras_initx._model.observer import LayerCall, Observer
from keras_initx._model.recurrent import gate_names, has_orthogonal_gates, steps_of
from keras_initx._model.redraw import Redraw
from keras_initx._model.selection import Selection
from keras_initx._model.sublayers import sublayers
from keras_initx._model.tensors import is_float_tensor, shown
from keras_initx.schemes._lsuv.correction import Correction, correct
from keras_initx.schemes._lsuv.layer_states import LayerState, LayerStates
from keras_initx.schemes._lsuv.lsuv_report import LayerRow
from keras_initx.schemes._lsuv.not_finite import not_finite
from keras_initx.schemes._lsuv.trial import Trial

_NEVER_RAN = "never ran"
_COMPILED = "runs within a compiled function, where it cannot be measured"


@dataclasses.dataclass
class LSUVPass(Observer):
    """Corrects each layer at its first call, before its activation is applied.

    The layers after it get the corrected output, so that one pass is enough.
    """

    changes: Changes
    draws: Redraw | None
    selection: Selection
    target_std: float
    tolerance: float
    per_channel: bool
    center: bool
    strict: bool
    progress: keras.utils.Progbar | None
    owner: str = "lsuv"

    def __post_init__(self) -> None:
        self.warnings: list[str] = []
        self._states = LayerStates(self.selection)
        self._compiled: set[keras.layers.Layer] = set()
        self._batch: LayerCall | None = None

    # What the trace tells

    def enter(self, call: LayerCall) -> None:
        self._batch = self._batch or call
        state = self._states.of(call.layer)
        if state is None:
            state = self._states.add(call.layer, call.parents)
            if state is not None and state.described is not None:
                self._draw(state.described)
        if state is not None:
            state.row.calls = call.number

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        state = self._states.of(call.layer)
        if state is None or state.described is None or state.is_done:
            return tensor
        described = state.described
        if not is_float_tensor(tensor):
            self._finish(state, "its output is not one tensor of floats")
            return tensor
        bias = _bias(described, len(tensor.shape))
        measured, mask = tensor, call.mask
        if gate_names(call.layer):
            # The tensor is its output. Biases set the time scales, and do not count.
            steps = steps_of(call)
            measured, mask = steps.pre_activations - steps.bias, steps.mask
        correction = self._measure(call, described, measured, mask, bias)
        if not described.is_known:
            self._try(call, state, described, correction)
            return tensor
        self._apply(described, correction)
        self._finish_scaled(state, described, correction)
        if correction.changes_nothing:
            return tensor
        return scaled(tensor, correction.factors, correction.offset(bias))

    def unseen(self, layer: keras.layers.Layer) -> None:
        self._compiled.add(layer)

    def complete(self, model: keras.layers.Layer) -> list[LayerRow]:
        """All rows, after the pass: with those of the layers that did not run."""
        for layer in sublayers(model):
            if self._states.of(layer) is None:
                state = self._states.add(layer, ())
                if state is not None and state.described is not None:
                    is_compiled = layer in self._compiled
                    state.row.note = _COMPILED if is_compiled else _NEVER_RAN
        return self._states.rows

    # How it is drawn, measured and scaled

    def target_of(self, layer: keras.layers.Layer) -> float:
        """The standard deviation that a layer gets; a subclass may tell them apart."""
        return self.target_std

    def _draw(self, described: LayerKernel) -> None:
        """Draws new kernels, if an initializer was given.

        Recurrent kernels that are orthogonal, or the identity, have been chosen so.
        """
        if self.draws is None:
            return
        blocks = described.blocks
        for kernel, axes in described.kernels:
            is_recurrent = kernel.name == "recurrent_kernel"
            if is_recurrent and has_orthogonal_gates(kernel, blocks):
                continue
            with allow_interrupts():
                value = self.draws(kernel, axes, blocks)
            self.changes.assign(kernel, value)

    def _measure(
        self,
        call: LayerCall,
        described: LayerKernel,
        tensor: Any,
        mask: Any,
        bias: np.ndarray,
    ) -> Correction:
        rank = len(tensor.shape)
        units: tuple[int, ...] = ()
        has_units = described.is_known or tensor.shape[-1] == described.kernel.shape[-1]
        if self.per_channel and has_units:
            units = tuple(sorted(axis % rank for axis in described.channels))
        # The covariance with a bias is needed along the axes on which the bias varies.
        kept = {*units, *(axis for axis, size in enumerate(bias.shape) if size > 1)}
        mean, variance = mean_and_variance(
            shown(tensor, mask, kept), tuple(sorted(kept))
        )
        if not np.isfinite(mean + variance).all():
            raise not_finite(self.owner, call, self._batch, tensor)
        return correct(
            mean,
            variance,
            bias,
            target_std=self.target_of(call.layer),
            tolerance=self.tolerance,
            units=units,
            is_centered=self.center and described.bias is not None,
        )

    def _apply(self, described: LayerKernel, correction: Correction) -> None:
        """Scales the kernel and shifts the bias."""
        if np.any(correction.factors != 1):
            factors = described.on_kernel(correction.factors)
            self.changes.scale(described.kernel, factors)
        if described.bias is not None and np.any(correction.shift != 0):
            bias = _values(described.bias) + described.on_bias(correction.shift)
            self.changes.assign(described.bias, bias)

    def _try(
        self,
        call: LayerCall,
        state: LayerState,
        described: LayerKernel,
        correction: Correction,
    ) -> None:
        """One trial of a layer, or its end. The output may be any function."""
        trial = state.trial = state.trial or Trial(correction, described)
        if trial.is_given_up:
            row = state.row
            row.std_before = row.std_after = correction.std_before
            row.mean, row.factor = correction.mean_before, 1.0
            note = "its standard deviation does not follow the scale of its kernel"
            self._finish(state, note)
        elif correction.changes_nothing:
            self._finish_scaled(state, described, correction)
        else:
            tried = trial.next(correction)
            if tried is None:
                for variable, value in trial.originals:
                    self.changes.assign(variable, value)
            else:
                self._apply(described, tried)
            call.repeat()

    def _finish_scaled(
        self, state: LayerState, described: LayerKernel, correction: Correction
    ) -> None:
        """Fills the row of a layer that was scaled, unless that is impossible."""
        row, trial = state.row, state.trial
        row.std_before = (trial.first if trial else correction).std_before
        row.std_after = correction.std_after
        row.mean = correction.mean_after
        row.factor = (trial or correction).factor
        note = self._failure(row.path, correction)
        row.is_scaled = not note
        self._finish(state, note or self._remark(described, correction))

    def _finish(self, state: LayerState, note: str) -> None:
        """Ends the work on a layer."""
        state.is_done = True
        state.row.note = note
        if self.progress is not None:
            self.progress.add(1)

    def _failure(self, path: str, correction: Correction) -> str:
        """Why a layer could not be corrected; empty if it could."""
        if correction.is_dead.all():
            note = "dead: its pre-activation does not vary"
            advice = "Look at its inputs and at its kernel."
        elif correction.is_hopeless.all():
            note = "its bias alone varies too much"
            advice = "Start with biases of zero."
        else:
            return ""
        if self.strict:
            raise _validate.error(
                self.owner,
                "pre-activations that vary, because of `strict`",
                f"layer {path!r} ({note})",
                advice,
            )
        self.warnings.append(
            f"`{self.owner}` left layer {path!r} alone ({note}). {advice}"
        )
        return note

    def _remark(self, described: LayerKernel, correction: Correction) -> str:
        """A note about a layer that was corrected; mostly empty."""
        left = int((correction.is_dead | correction.is_hopeless).sum())
        if left:
            return f"{left} of {correction.factors.size} units do not vary"
        if self.center and described.bias is None:
            return "no bias to center"
        return ""


def _bias(described: LayerKernel, rank: int) -> np.ndarray:
    """The bias, shaped for a pre-activation of this rank; 0 if it is not known."""
    if described.bias is None or not described.is_known:
        return np.zeros((1,) * rank)
    bias = described.bias_on(_values(described.bias), rank)
    first = bias[(slice(1),) * rank]
    # A bias of equal numbers, mostly 0, has no covariance.
    return first if np.all(bias == first) else bias


def _values(variable: keras.Variable) -> np.ndarray:
    """A small variable, in float64."""
    return ops.convert_to_numpy(stored(variable)).astype("float64")
