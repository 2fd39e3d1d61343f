"""The layer that is the cause of a scale: the first whose own gain is off.

The own gain of a layer is the root mean square of its pre-activation over that of its
input. The kernel and its fan-in predict it, and the activation after it needs another
one, or the same. A layer whose input was small already is not to blame.
"""

import dataclasses
import math

from keras_initx.diagnostics._judge.activation_facts import activation_facts
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.rows import LayerRow

# Half of what Keras's default is off with rectifiers, in logarithms: sqrt(2). That is
# more than a random kernel of some ten units is off by chance.
OFF = 1.2
# Kernels do not matter that together change the scale by less than ten.
MATTERS = 10.0
# Of what has no kernel: poolings take up to the root of the number of positions.
OFF_WITHOUT_KERNEL = 30.0
# The biases make most of the square.
MOST = 0.5
# A product of kernels has a gain for each of these.
_PRODUCTS = ("SeparableConv1D", "SeparableConv2D")
BIASES, _KERNEL, _OPERATION = "biases", "kernel", "operation"


@dataclasses.dataclass(frozen=True)
class Cause:
    """The first of the layers that make a scale wrong.

    Attributes:
        row: LayerRow.
        what: str. What of it is wrong: `"kernel"`, `"biases"` or `"operation"`.
        factor: float. By how much its own gain is off; above 1.
        product: float. That of all layers that are off as much.
        others: int. How many more are off as much.
    """

    row: LayerRow
    what: str
    factor: float
    product: float
    others: int

    @property
    def is_kernel(self) -> bool:
        return self.what == _KERNEL


def kernel_gain(row: LayerRow) -> float:
    """The gain that the kernel and its fan-in predict; NaN where that is not known."""
    if row.kernel is None or row.fan_in is None or row.over_time is not None:
        return math.nan
    kernels = row.kernels if row.type in _PRODUCTS else row.kernels[:1]
    return math.sqrt(math.prod(kernel.scaled_variance for kernel in kernels))


def needed_gain(findings: Findings, row: LayerRow) -> float:
    """The gain that the activation after a layer needs."""
    facts = activation_facts(findings.activation(row))
    return 1.0 if facts is None else facts.gain


def segment(findings: Findings, row: LayerRow) -> list[LayerRow]:
    """The rows from the last normalization before this one to itself."""
    place = findings.place(row.path)
    start = max(
        (n for n, each in enumerate(findings.rows[:place]) if each.is_normalization),
        default=-1,
    )
    return findings.rows[start + 1 : place + 1]


def cause_of(
    findings: Findings,
    rows: list[LayerRow],
    direction: int,
    is_measured: bool = True,
    least: float = MATTERS,
) -> Cause | None:
    """The first of these rows whose own gain is off; None if no layer stands out.

    Args:
        findings: Findings.
        rows: list of LayerRow. Those that made the scale what it is.
        direction: int. 1 if the scale is too large, -1 if it is too small.
        is_measured: bool. Whether the signal counts, and not the kernels alone.
            Defaults to `True`.
        least: float. The factor that layers must be off by together. Defaults to ten.
    """
    found = [(row, *_deviation(findings, row, direction, is_measured)) for row in rows]
    found = [each for each in found if each[1] > 0]
    worst = max((log for _, log, _ in found), default=0.0)
    # Far beyond the square root of the worst one there is no doubt which layers it is.
    off = [each for each in found if each[1] >= max(math.log(OFF), worst / 2)]
    total = sum(log for _, log, _ in found)
    if not off or sum(log for _, log, _ in off) < total / 2:
        return None
    row, log, what = off[0]
    product = math.exp(min(700.0, sum(each for _, each, _ in off)))
    if product < least:
        return None
    return Cause(row, what, math.exp(min(700.0, log)), product, len(off) - 1)


def _deviation(
    findings: Findings, row: LayerRow, direction: int, is_measured: bool
) -> tuple[float, str]:
    """The logarithm of what a layer does too much of, or too little, and by what."""
    gain = kernel_gain(row)
    if math.isnan(gain):
        return _of_operation(row, direction), _OPERATION
    if not 0 < gain < math.inf or findings.is_normalized(row):
        return 0.0, _KERNEL
    need = needed_gain(findings, row)
    predicted = direction * math.log(gain / need)
    own = row.own_gain
    if not is_measured or own is None or not 0 < own < math.inf:
        return predicted, _KERNEL
    measured = direction * math.log(own / need)
    if direction > 0 and _has_large_biases(row):
        return measured, BIASES
    # A kernel that does what it should for these inputs is not to blame.
    return min(measured, predicted), _KERNEL


def _of_operation(row: LayerRow, direction: int) -> float:
    """The same for a layer without a kernel, such as a `Rescaling`.

    It is not to blame where it brings what was large, or small, back to 1.
    """
    is_one = not (row.kernels or row.activation or row.is_normalization)
    if not is_one or row.is_merge or row.is_pooling:
        return 0.0
    changed, result = row.own_gain or 0.0, row.rms
    if not (0 < changed < math.inf and 0 < result < math.inf):
        return 0.0
    log = min(direction * math.log(changed), direction * math.log(result))
    return log if log > math.log(OFF_WITHOUT_KERNEL) else 0.0


def _has_large_biases(row: LayerRow) -> bool:
    biases = row.bias_rms or 0.0
    return not row.is_output and biases**2 > MOST * row.rms**2
