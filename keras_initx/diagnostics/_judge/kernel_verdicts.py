"""Verdicts on the kernels themselves."""

import math

from keras_initx.diagnostics._judge.findings import Findings, Verdict
from keras_initx.diagnostics._measure.rows import LayerRow

# What the variance of a kernel may miss of 1 / fan_in: a quarter, and four standard
# errors of the variance of so many weights.
TOLERANCE, STANDARD_ERRORS = 0.25, 4


def symmetric_units(findings: Findings) -> Verdict | None:
    """Units that start equal, and stay so.

    Zeros in one kernel do not make units equal for good, if what follows is random:
    many schemes start the last kernel of a block at zero. They do if the next kernel
    does not tell its inputs apart either.
    """
    equal = None
    for row in findings.linear:
        kernel = row.kernel
        if kernel is None or not kernel.is_trainable:
            continue
        is_last = row is findings.linear[-1]
        if row.has_equal_inputs:
            equal = equal or row
            break
        if kernel.has_equal_units and not _is_recurrent_random(row):
            equal = row
            if kernel.norm > 0 and not is_last:
                break
    else:
        return None
    is_zero = equal.kernel is not None and equal.kernel.norm == 0
    text = (
        f"the kernel of {findings.name(equal)} "
        f"{'is zero' if is_zero else 'has equal columns'}: its {equal.units} units "
        f"start as copies of one{_and_stay_so(row)}. Draw the kernel at random: "
        '`kernel_initializer="he_normal"`, "glorot_uniform" or "haar_orthogonal".'
    )
    return Verdict("symmetric units", equal.path, text)


def duplicate_kernels(findings: Findings) -> Verdict | None:
    """Kernels that are equal bit for bit, though they are different variables."""
    pairs = [
        (row, kernel)
        for row in findings.rows
        for kernel in row.kernels
        if kernel.equal_to is not None
    ]
    if not pairs:
        return None
    row, kernel = pairs[0]
    more = f", and {len(pairs) - 1} more are" if len(pairs) > 1 else ""
    text = (
        f"the kernels '{kernel.equal_to}' and '{kernel.path}' are equal bit for "
        f"bit{more}. One initializer with an integer seed gives the same numbers each "
        "time, and layers such as `MultiHeadAttention` use it for several kernels. "
        "Leave `seed` out and call `keras.utils.set_random_seed`, or pass an "
        "initializer with a seed of its own to each layer."
    )
    return Verdict("duplicate kernels", row.path, text)


def selu_without_lecun(findings: Findings) -> Verdict | None:
    """SELU with kernels of another variance than 1 / fan_in."""
    for row in findings.linear:
        kernel = row.kernel
        is_selu = findings.activation(row) == "selu"
        if kernel is None or not is_selu or findings.normalization(row):
            continue
        size = math.prod(kernel.shape)
        ratio = kernel.norm**2 / size * (row.fan_in or 1)
        tolerance = TOLERANCE + STANDARD_ERRORS * math.sqrt(2 / size)
        if abs(ratio - 1) > tolerance and _is_off(row):
            break
    else:
        return None
    text = (
        f"the kernel of {findings.name(row)} has {ratio:.2g} times the variance "
        "1 / fan_in with which SELU keeps mean 0 and variance 1; its pre-activations "
        f"have a standard deviation of {row.pre_activation_std:.2g}. Use "
        '`kernel_initializer="lecun_normal"`.'
    )
    return Verdict("SELU without lecun_normal", row.path, text)


def _is_recurrent_random(row: LayerRow) -> bool:
    """Whether a recurrent kernel tells units apart that get the same inputs."""
    return any(
        kernel.path.endswith("recurrent_kernel") and not kernel.has_equal_units
        for kernel in row.kernels
    )


def _and_stay_so(row: LayerRow) -> str:
    if not row.has_equal_inputs:
        return ""
    return f", and the kernel of '{row.path}' does not tell them apart"


def _is_off(row: LayerRow) -> bool:
    """Whether the scale of the pre-activation is not 1, as a scheme may have set it."""
    std = row.pre_activation_std
    return std is not None and not abs(std - 1) <= TOLERANCE
