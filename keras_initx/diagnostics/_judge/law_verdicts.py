"""Verdicts on the law by which kernels were drawn: its fans, and its argument."""

import math
from collections.abc import Iterator

from keras_initx.diagnostics._judge.findings import Findings, first_of_tail
from keras_initx.diagnostics._judge.mistaken_scales import (
    Mistake,
    deep_norm_blocks,
    mistakes,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.laws import Law
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow

# As for the scale of all kernels together: less than ten in all does not matter.
FACTOR = 10.0
# A measured variance of a kernel misses its law by a quarter, and four standard errors.
TOLERANCE, STANDARD_ERRORS = 0.25, 4


def wrong_fans(findings: Findings) -> Verdict | None:
    """Kernels drawn for other fans than their layer has."""
    found = [
        (row, kernel, law)
        for row in findings.linear
        if row.over_time is None and not findings.is_normalized(row)
        for kernel in row.kernels
        if (law := kernel.law) is not None and _is_drawn_wrong(kernel, law)
    ]
    factors = {row.path: law.factor for row, _, law in found}
    direction = _harm(findings, factors)
    wrong = [each for each in found if direction * math.log(each[2].factor) > 0]
    if not wrong:
        return None
    worst = max(abs(math.log(law.factor)) for _, _, law in wrong)
    # Those far beyond the square root of the worst one.
    wrong = [each for each in wrong if 2 * abs(math.log(each[2].factor)) >= worst]
    row, _, law = wrong[0]
    more = f" (so were {len(wrong)} kernels)" if len(wrong) > 1 else ""
    ratio = law.factor if direction > 0 else 1 / law.factor
    text = (
        f"the kernel of {findings.name(row)} was drawn for {_fans(law)}{more}. "
        f"{law.name!r} sees only its shape, and makes it {ratio:.2g} times too "
        f"{'large' if direction > 0 else 'small'}. Use `{law.remedy}`."
    )
    return Verdict("wrong_fans", row.path, text)


def variance_as_deviation(findings: Findings) -> Verdict | None:
    """Kernels whose deviation is the variance that was meant, or the other way."""
    if (found := _deep_norm(findings)) is not None:
        return found
    wrong = mistakes(findings)
    direction = _harm(findings, {each.row.path: each.factor for each in wrong})
    wrong = [each for each in wrong if direction * math.log(each.factor) > 0]
    if not wrong:
        return None
    first, more = wrong[0], ""
    if len(wrong) > 1:
        more = f", and so it is in {len(wrong) - 1} more layers"
    text = (
        f"the kernel of {findings.name(first.row)} has {first.what}{more}. "
        f"{_reason(first)} Use `kernel_initializer={first.remedy}`."
    )
    return Verdict("variance_as_deviation", first.row.path, text)


def _reason(found: Mistake) -> str:
    right = f"the deviation should be near {found.right:.2g}"
    if found.is_root:
        return f"That is the root of a deviation: {right}."
    if found.is_divided:
        return f"`scale` is divided by the fan-in already: {right}."
    return f"That is a variance, and not its root: {right}."


def _deep_norm(findings: Findings) -> Verdict | None:
    """DeepNorm's factor of the deviation, given as one of the variance."""
    found = deep_norm_blocks(findings)
    if found is None:
        return None
    row, law, rule, blocks = found
    beta = law.value or 0.0
    text = (
        f"the kernel of {findings.name(row)} has `scale={beta:.4g}`. That is the "
        f"factor of the deviation in DeepNorm, {rule} for {blocks} blocks, but `scale` "
        f"is one of the variance: the kernel is {1 / math.sqrt(beta):.2g} times too "
        "large. Use `kernel_initializer=keras.initializers.VarianceScaling("
        f'{beta**2:.4g}, "fan_avg", "uniform")`.'
    )
    return Verdict("variance_as_deviation", row.path, text)


def _is_drawn_wrong(kernel: KernelRow, law: Law) -> bool:
    """Whether the law counts wrong fans, and the weights still follow it."""
    if law.std is None or law.factor == 1 or not kernel.norm > 0:
        return False
    if not kernel.is_trainable:
        # No initializer draws it again.
        return False
    size = math.prod(kernel.shape)
    tolerance = TOLERANCE + STANDARD_ERRORS * math.sqrt(2 / size)
    return abs((kernel.std / law.std) ** 2 - 1) <= tolerance


def _fans(law: Law) -> str:
    """For which fans a kernel was drawn, and which it has."""
    counted, right, name = law.fan_in or 0, law.right_fan_in or 0, "fan-in"
    if counted == right:
        counted, right, name = law.fan_out or 0, law.right_fan_out or 0, "fan-out"
    return f"a {name} of {counted:g}; it has {right:g}"


def _harm(findings: Findings, factors: dict[str, float]) -> int:
    """1 if these factors make the signal large, -1 if small, 0 if neither.

    They do if their product between two normalizations is beyond ten, and the signal is
    beyond a factor of ten in the end too.
    """
    products = list(_products(findings, factors))
    if not products:
        return 0
    for direction, log in ((1, max(products)), (-1, -min(products))):
        if log >= math.log(FACTOR) and _is_seen(findings, direction):
            return direction
    return 0


def _products(findings: Findings, factors: dict[str, float]) -> Iterator[float]:
    """The logarithms of the products of factors from one normalization to the next."""
    log = 0.0
    for row in findings.rows:
        if row.is_normalization:
            log = 0.0
        log += math.log(factors.get(row.path, 1.0))
        yield log


def _is_seen(findings: Findings, direction: int) -> bool:
    """Whether the signal is ten times too large or too small; or was not looked at."""
    if not findings.seen.has_signal:
        return True
    start = next((row.std for row in findings.inputs if row.std), 1.0)
    rows = [row for row in findings.linear if row.kernel_norm > 0]

    def is_off(row: LayerRow) -> bool:
        if direction > 0:
            return row.scale > FACTOR * max(1.0, start)
        return row.scale < min(1.0, start) / FACTOR

    if direction > 0:
        return any(is_off(row) and not findings.is_normalized(row) for row in rows)
    return first_of_tail(rows, is_off) is not None
