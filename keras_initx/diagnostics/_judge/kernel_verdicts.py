"""Verdicts on the kernels themselves."""

import math

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow

# What the variance of a kernel may miss of 1 / fan_in: a quarter, and four standard
# errors of the variance of so many weights.
TOLERANCE, STANDARD_ERRORS = 0.25, 4
# Of what a kernel without zeros would read or write.
QUARTER_READ, HALF_WRITTEN = 0.25, 0.5


def symmetric_units(findings: Findings) -> Verdict | None:
    """Units that start equal, and stay so.

    Zeros in one kernel do not make units equal for good, if what follows is random:
    many schemes start the last kernel of a block at zero. They do if the next kernel
    does not tell its inputs apart either.
    """
    found = _first_symmetric(findings)
    if found is None:
        return None
    equal, next_equal = found
    stay = ""
    if next_equal is not None:
        stay = f", and the kernel of '{next_equal.path}' does not tell them apart"
    text = (
        f"the kernel of {findings.name(equal)} "
        f"{'is zero' if equal.kernel_norm == 0 else 'has equal columns'}: its "
        f"{equal.units} units start as copies of one{stay}. Draw the kernel at random: "
        '`kernel_initializer="he_normal"`, "glorot_uniform" or "haar_orthogonal".'
    )
    return Verdict("symmetric_units", equal.path, text)


def _first_symmetric(findings: Findings) -> tuple[LayerRow, LayerRow | None] | None:
    """A layer whose units stay equal, and the later one that keeps them so, if any."""
    equal = None
    for row in findings.linear:
        kernel = row.kernel
        if kernel is None or not kernel.is_trainable:
            continue
        if row.has_equal_inputs:
            equal = equal or row
            return equal, None if equal is row else row
        if kernel.has_equal_units and not _is_recurrent_random(row):
            equal = row
            if kernel.norm > 0 and row is not findings.linear[-1]:
                return equal, None
    return None


def duplicate_kernels(findings: Findings) -> Verdict | None:
    """Kernels that are equal bit for bit, though they are different variables."""
    # What is frozen is a copy by design, such as a target network.
    frozen = {
        kernel.path
        for row in findings.rows
        for kernel in row.kernels
        if not kernel.is_trainable
    }
    pairs = [
        (row, kernel)
        for row in findings.rows
        for kernel in row.kernels
        if kernel.equal_to is not None and not {kernel.path, kernel.equal_to} & frozen
    ]
    if not pairs:
        return None
    row, kernel = pairs[0]
    more = f", and {len(pairs) - 1} more are" if len(pairs) > 1 else ""
    text = (
        f"the kernels '{kernel.equal_to}' and '{kernel.path}' are equal bit for "
        f"bit{more}. One initializer with an integer seed gives the same numbers each "
        "time, and a layer such as `MultiHeadAttention` uses it for several kernels. "
        "Leave `seed` out and call `keras.utils.set_random_seed`, or give each layer "
        "an initializer with a seed of its own."
    )
    return Verdict("duplicate_kernels", row.path, text)


def selu_without_lecun_normal(findings: Findings) -> Verdict | None:
    """SELU with kernels of another variance than 1 / fan_in."""
    rows = (row for row in findings.linear if _is_wrong_selu(findings, row))
    row = next(rows, None)
    if row is None or row.kernel is None:
        return None
    text = (
        f"the kernel of {findings.name(row)} has {row.kernel.scaled_variance:.2g} "
        "times the variance 1 / fan_in with which SELU keeps mean 0 and variance 1; "
        f"its pre-activations have a standard deviation of {row.scale:.2g}. Use "
        '`kernel_initializer="lecun_normal"`.'
    )
    return Verdict("selu_without_lecun_normal", row.path, text)


def zero_taps(findings: Findings) -> Verdict | None:
    """Kernels with strides whose taps are zero where they would read, or write."""
    pairs = [(row, kernel) for row in findings.rows for kernel in row.kernels]
    wrong = [(row, kernel) for row, kernel in pairs if _misses_most(kernel)]
    if not wrong:
        return None
    row, kernel = wrong[0]
    more = f", and so are {len(wrong) - 1} more" if len(wrong) > 1 else ""
    reach = kernel.reach
    if reach is None:
        return None
    share = f"{100 * reach.share:.2g} %"
    what = (
        f"it writes {share} of its output, and the rest is zero or its bias"
        if reach.is_transposed
        else f"it reads {share} of its input"
    )
    text = (
        f"the kernel of {findings.name(row)} is zero at most of its taps{more}: with "
        f"strides of {reach.strides} {what}. Use `kernel_initializer={reach.remedy}`, "
        "which draws every tap."
    )
    return Verdict("zero_taps", row.path, text)


def _misses_most(kernel: KernelRow) -> bool:
    """Whether it reaches far less than a kernel without zeros would.

    A stride of 2 by a delta kernel reads a quarter of an image, as does the 1 x 1
    convolution of a residual network. Where three quarters of an output are zero, it
    shows.
    """
    reach = kernel.reach
    if reach is None:
        return False
    relative = reach.share / reach.full_share
    return relative <= HALF_WRITTEN if reach.is_transposed else relative < QUARTER_READ


def _is_wrong_selu(findings: Findings, row: LayerRow) -> bool:
    """Whether SELU follows on a kernel of a wrong variance, and the scale is off."""
    kernel = row.kernel
    is_selu = findings.activation(row) == "selu"
    if kernel is None or not is_selu or findings.normalization(row):
        return False
    tolerance = TOLERANCE + STANDARD_ERRORS * math.sqrt(2 / math.prod(kernel.shape))
    # A scheme may have set the scale by the data.
    is_off = row.pre_activation_std is not None and not abs(row.scale - 1) <= TOLERANCE
    return is_off and abs(kernel.scaled_variance - 1) > tolerance


def _is_recurrent_random(row: LayerRow) -> bool:
    """Whether a recurrent kernel tells units apart that get the same inputs."""
    return any(
        kernel.path.endswith("recurrent_kernel") and not kernel.has_equal_units
        for kernel in row.kernels
    )
