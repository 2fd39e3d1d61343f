"""What LSUV does while the model runs: measure, scale the kernel, hand on."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx import _validate
from keras_initx._backend import scaled, stored
from keras_initx._model.changes import Changes
from keras_initx._model.layer_kernel import LayerKernel, layer_kernel
from keras_initx._model.mean_and_variance import mean_and_variance
from keras_initx._model.redraw import Redraw
from keras_initx._model.selection import Selection
from keras_initx._model.sublayers import sublayers
from keras_initx._model.tensors import is_float_tensor, shown
from keras_initx._model.trace import LayerCall, Observer
from keras_initx.schemes._lsuv.correction import Correction, correct
from keras_initx.schemes._lsuv.lsuv_report import LayerRow
from keras_initx.schemes._lsuv.not_finite import not_finite
from keras_initx.schemes._lsuv.trial import Trial

_NEVER_RAN = "never ran"
_COMPILED = "runs within a compiled function, where it cannot be measured"
_LEFT_ALONE = {
    keras.layers.Embedding: "an embedding: no sum over inputs",
    keras.layers.RNN: "recurrent: its kernels act in a loop over time",
}


@dataclasses.dataclass
class LSUVPass(Observer):
    """Corrects each layer at its first call, before its activation is applied.

    The layers behind it see the corrected output, so that one pass is enough.
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

    def __post_init__(self) -> None:
        self.rows: dict[int, LayerRow] = {}
        self.warnings: list[str] = []
        self._waiting: dict[int, LayerKernel] = {}
        self._trials: dict[int, Trial] = {}
        self._owners: dict[int, str] = {}
        self._normalized: set[int] = set()
        self._compiled: set[int] = set()
        self._batch: LayerCall | None = None

    # What the trace tells

    def enter(self, call: LayerCall) -> None:
        layer = call.layer
        self._batch = self._batch or call
        if isinstance(layer, keras.layers.SpectralNormalization):
            self._normalized.add(id(layer.layer))
        if id(layer) not in self.rows:
            self._add(layer, call.parents)
            self._draw(layer)
        if id(layer) in self.rows:
            self.rows[id(layer)].calls = call.number

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        described = self._waiting.get(id(call.layer))
        if described is None:
            return tensor
        if not is_float_tensor(tensor):
            self._finish(call, note="its output is not one tensor of floats")
            return tensor
        bias = _bias(described, len(tensor.shape))
        correction = self._measure(call, described, tensor, bias)
        if not described.is_known:
            self._try(call, described, correction)
            return tensor
        self._apply(described, correction)
        self._finish(call, correction)
        if correction.changes_nothing:
            return tensor
        return scaled(tensor, correction.factors, correction.offset(bias))

    def unseen(self, layer: keras.layers.Layer) -> None:
        self._compiled.add(id(layer))

    def complete(self, model: keras.layers.Layer) -> list[LayerRow]:
        """All rows, after the pass: with those of the layers that did not run."""
        for layer in sublayers(model):
            if id(layer) not in self.rows:
                self._add(layer, ())
                if self._waiting.pop(id(layer), None) is not None:
                    is_compiled = id(layer) in self._compiled
                    self.rows[id(layer)].note = _COMPILED if is_compiled else _NEVER_RAN
        return list(self.rows.values())

    # What is touched

    def _add(self, layer: keras.layers.Layer, parents: tuple[Any, ...]) -> None:
        """Notes a layer that has weights of this kind, and whether it will change."""
        described = layer_kernel(layer)
        kinds = [kind for kind in _LEFT_ALONE if isinstance(layer, kind)]
        if described is None and not kinds:
            return
        row = LayerRow(layer.path, type(layer).__name__)
        self.rows[id(layer)] = row
        if kinds or described is None:
            row.note = _LEFT_ALONE[kinds[0]]
            return
        row.note = self._why_not(layer, parents, described.kernel)
        if not row.note:
            self._owners[id(described.kernel)] = row.path
            self._waiting[id(layer)] = described

    def _why_not(
        self, layer: keras.layers.Layer, parents: tuple[Any, ...], kernel: Any
    ) -> str:
        """Why a layer is left alone; empty if it is not."""
        if not self.selection(layer, parents):
            return "not selected"
        if id(layer) in self._normalized:
            return "SpectralNormalization sets the scale of its kernel"
        if layer.quantization_mode is not None:
            return "quantized"
        if not kernel.trainable:
            return "frozen"
        if id(kernel) in self._owners:
            return f"tied: its kernel belongs to {self._owners[id(kernel)]} too"
        return ""

    def _draw(self, layer: keras.layers.Layer) -> None:
        """New kernels, where an initializer was given."""
        described = self._waiting.get(id(layer))
        if described is not None and self.draws is not None:
            for kernel, axes in described.kernels:
                self.changes.assign(kernel, self.draws(kernel, axes))

    # What is measured, and what is done about it

    def _measure(
        self, call: LayerCall, described: LayerKernel, tensor: Any, bias: np.ndarray
    ) -> Correction:
        rank = len(tensor.shape)
        units: tuple[int, ...] = ()
        has_units = described.is_known or tensor.shape[-1] == described.kernel.shape[-1]
        if self.per_channel and has_units:
            units = tuple(sorted(axis % rank for axis in described.channels))
        # Where the bias differs, its covariance has to be known.
        kept = {*units, *(axis for axis, size in enumerate(bias.shape) if size > 1)}
        mean, variance = mean_and_variance(
            shown(tensor, call.mask, kept), tuple(sorted(kept))
        )
        if not np.isfinite(mean + variance).all():
            raise not_finite(call, self._batch, tensor)
        return correct(
            mean,
            variance,
            bias,
            target_std=self.target_std,
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
        self, call: LayerCall, described: LayerKernel, correction: Correction
    ) -> None:
        """One trial of a layer of which nothing is certain, or its end."""
        trial = self._trials.setdefault(id(call.layer), Trial(correction, described))
        if trial.is_given_up:
            note = "its standard deviation does not follow the scale of its kernel"
            self._finish(call, trial.first, note=note)
        elif correction.changes_nothing:
            self._finish(call, correction, trial)
        else:
            tried = trial.next(correction)
            if tried is None:
                for variable, value in trial.originals:
                    self.changes.assign(variable, value)
            else:
                self._apply(described, tried)
            call.repeat()

    def _finish(
        self,
        call: LayerCall,
        correction: Correction | None = None,
        trial: Trial | None = None,
        note: str = "",
    ) -> None:
        """Fills the row of a layer, which is done."""
        described = self._waiting.pop(id(call.layer))
        row = self.rows[id(call.layer)]
        if correction is not None:
            first = trial.first if trial is not None else correction
            row.std_before, row.std_after = first.std_before, correction.std_after
            row.mean = correction.mean_after
            row.factor = trial.factor if trial is not None else correction.factor
            note = note or self._failure(row.path, correction)
        row.is_scaled = not note
        if not note and correction is not None:
            note = self._remark(described, correction)
        row.note = note
        if self.progress is not None:
            self.progress.add(1)

    def _failure(self, path: str, correction: Correction) -> str:
        """Why a layer could not be corrected; empty if it could."""
        if correction.is_dead.all():
            note = "dead: its pre-activation does not vary"
            advice = "Look at what comes into it, and at its kernel."
        elif correction.is_hopeless.all():
            note = "its bias alone varies too much"
            advice = "Start with biases of zero."
        else:
            return ""
        if self.strict:
            raise _validate.error(
                "lsuv",
                "pre-activations that vary, because of `strict`",
                f"layer {path!r} ({note})",
                advice,
            )
        self.warnings.append(f"`lsuv` left layer {path!r} alone ({note}). {advice}")
        return note

    def _remark(self, described: LayerKernel, correction: Correction) -> str:
        """What else there is to say about a layer that was corrected."""
        left = int((correction.is_dead | correction.is_hopeless).sum())
        if left:
            return f"{left} of {correction.factors.size} units do not vary"
        if self.center and described.bias is None:
            return "no bias to center"
        return ""


def _bias(described: LayerKernel, rank: int) -> np.ndarray:
    """The bias, to be added to a pre-activation of this rank; zero where unknown."""
    if described.bias is None or not described.is_known:
        return np.zeros((1,) * rank)
    bias = described.bias_on(_values(described.bias), rank)
    first = bias[(slice(1),) * rank]
    # One number for all, mostly 0, does not vary with the pre-activation.
    return first if np.all(bias == first) else bias


def _values(variable: keras.Variable) -> np.ndarray:
    """A small variable, in float64."""
    return ops.convert_to_numpy(stored(variable)).astype("float64")
