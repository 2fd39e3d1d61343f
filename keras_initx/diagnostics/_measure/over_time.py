"""What is measured of a recurrent layer, from its first step to its last one."""

import dataclasses

import numpy as np
from keras import layers

from keras_initx._model.recurrent import Steps, gates_of
from keras_initx.diagnostics._measure.activation_bounds import flat_parts

# A unit is shut if less than this share of what comes in passes its gates.
_SHUT = 0.03


@dataclasses.dataclass
class OverTime:
    """How the state of a recurrent layer, and the gradient, change with the steps.

    Attributes:
        steps: int. How many the longest sample has.
        first_std: float. The standard deviation of the state after the first step.
        middle_std: float. After the middle one.
        last_std: float. After the last one.
        saturated_gates: float or None. The share of the values of gates within 3 % of
            their bounds. None where there are no gates with bounds.
        shut_units: float or None. The share of units whose gates let less than 3 %
            of their inputs pass to the output, over all steps.
        forgetful_units: float or None. The share of units that keep less than 3 % of
            their state from one step to the next, on average.
        swung_gates: float or None. The share of the values of gates that the inputs and
            the state take to within 3 % of the bounds: their biases do not count.
        first_gradient: float or None. The norm of the gradient of the loss with respect
            to the input of the first step.
        last_gradient: float or None. The same for the last step.
        gradient_ratio: float or None. The first of these over the last.
    """

    steps: int
    first_std: float
    middle_std: float
    last_std: float
    saturated_gates: float | None = None
    shut_units: float | None = None
    forgetful_units: float | None = None
    swung_gates: float | None = None
    first_gradient: float | None = None
    last_gradient: float | None = None
    gradient_ratio: float | None = None

    def set_gradients(self, first: float, last: float) -> None:
        """Fills in the gradients."""
        self.first_gradient, self.last_gradient = first, last
        self.gradient_ratio = first / last if last > 0 else None


def over_time(layer: layers.RNN, steps: Steps) -> OverTime:
    """What happened in a recurrent layer."""
    first, middle, last = (_std_at(steps, share) for share in (0, 0.5, 1))
    result = OverTime(int(_lengths(steps).max()), first, middle, last)
    if steps.gates:
        result.shut_units = float(np.mean(_throughput(steps) < _SHUT))
        result.forgetful_units = float(np.mean(_kept(_means(steps)) < _SHUT))
        function = layer.cell.recurrent_activation
        bounds = flat_parts(getattr(function, "__name__", ""))
        if bounds is not None:
            bounds = bounds[0] or 0.0, bounds[1]
            with np.errstate(invalid="ignore"):
                swing = steps.pre_activations - steps.bias
            swung = gates_of(layer.cell, swing)
            result.saturated_gates = _saturated(steps, steps.gates, *bounds)
            result.swung_gates = _saturated(steps, swung, *bounds)
    return result


def ends(layer: layers.RNN, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """Where each sample has its first and its last step, as the inputs stand.

    Two arrays of shape `(batch, steps, 1)`, with 1 there and 0 elsewhere.
    """
    marked = []
    for share in (0, 1):
        rows, chosen = _places(steps, share)
        at = np.zeros((*steps.states.shape[:2], 1), "float32")
        at[rows, chosen] = 1
        marked.append(at[:, ::-1] if layer.go_backwards else at)
    return marked[0], marked[1]


def _lengths(steps: Steps) -> np.ndarray:
    """How many steps of each sample count."""
    if steps.mask is None:
        return np.full(steps.states.shape[0], steps.states.shape[1])
    return steps.mask.sum(axis=1)


def _places(steps: Steps, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The samples that have steps, and the step of each after this share of them."""
    samples = np.flatnonzero(_lengths(steps))
    mask = steps.mask
    if mask is None:
        mask = np.ones(steps.states.shape[:2], bool)
    shown = [np.flatnonzero(mask[sample]) for sample in samples]
    chosen = [place[round(share * (len(place) - 1))] for place in shown]
    return samples, np.array(chosen, "int64")


def _std_at(steps: Steps, share: float) -> float:
    """The deviation of the states after this share of the steps of each sample."""
    states = steps.states[_places(steps, share)]
    with np.errstate(all="ignore"):
        return float(np.std(states, dtype="float64")) if len(states) else 0.0


def _visible(steps: Steps, values: np.ndarray) -> np.ndarray:
    """The values at the steps that count, of shape `(steps, units)`."""
    if steps.mask is None or not steps.mask.any():
        return values.reshape(-1, values.shape[-1])
    return values[steps.mask]


def _saturated(
    steps: Steps, gates: dict[str, np.ndarray], lower: float, upper: float
) -> float:
    """The share of the values of all gates outside of these bounds."""
    shares = [
        np.mean((visible < lower) | (visible > upper))
        for values in gates.values()
        for visible in [_visible(steps, values)]
    ]
    return float(np.mean(shares))


def _throughput(steps: Steps) -> np.ndarray:
    """The share of a steady input that gets to the output of each unit, at most 1.

    A unit that keeps the share k of its state, and adds the share w of its inputs, has
    gathered w (1 - k^T) / (1 - k) of them after T steps.
    """
    mean = _means(steps)
    keep = _kept(mean)
    write = mean.get("input", 1 - keep)
    length = int(_lengths(steps).max())
    gathered = np.where(
        keep < 1 - 1e-6,
        (1 - keep**length) / np.maximum(1 - keep, 1e-6),
        length,
    )
    return np.minimum(write * gathered, 1) * mean.get("output", 1.0)


def _means(steps: Steps) -> dict[str, np.ndarray]:
    """The mean of each gate of each unit."""
    return {name: _visible(steps, v).mean(axis=0) for name, v in steps.gates.items()}


def _kept(means: dict[str, np.ndarray]) -> np.ndarray:
    """The share of its state that each unit keeps from step to step."""
    return means["forget"] if "forget" in means else means["update"]
