"""Which arguments of initializers are a variance where a deviation was meant.

A fan rule asks for the variance c / n, with n the fan-in, the fan-out or their mean.
Who gives c / n as a deviation gets kernels that are too small, by the root of n / c.
"""

import dataclasses
import math

from keras_initx.diagnostics._judge.activation_facts import activation_facts
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.own_gain import kernel_gain, needed_gain
from keras_initx.diagnostics._measure.laws import Law
from keras_initx.diagnostics._measure.rows import LayerRow

# An argument that was computed: what is left of it after some rounding by hand.
_EXACT = 2e-3
# Numbers such as 0.05 are chosen, and meet 1 / n by chance.
_DIGITS = 2
# A kernel whose weights were computed elsewhere: as for its law.
_TOLERANCE, _STANDARD_ERRORS = 0.25, 4
# Of two fan-ins that tell such a rule from one deviation for all kernels.
_DIFFERENT = 1.5
# The variances of fan rules, and the limits of uniform ones, times n.
_NUMERATORS = {"stddev": (1, 2), "maxval": (1, 2, 3, 6), "scale": (1, 2)}
_KERNELS_PER_BLOCK = (1, 2, 3, 4, 6)


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One kernel whose scale is a variance that was meant as one.

    Attributes:
        row: LayerRow.
        what: str. What it has, in words.
        right: float. The deviation that the layer needs.
        factor: float. How many times as large as that it is.
        remedy: str. What to write after `kernel_initializer=`.
        is_root: bool. Whether it is the root of a deviation.
        is_divided: bool. Whether it is a variance that is divided twice.
    """

    row: LayerRow
    what: str
    right: float
    factor: float
    remedy: str
    is_root: bool = False
    is_divided: bool = False


def mistakes(findings: Findings) -> list[Mistake]:
    """All kernels of which that is so, in the order of execution."""
    given, measured = [], []
    for row in findings.linear:
        gain = kernel_gain(row)
        if not 0 < gain < math.inf or findings.is_normalized(row):
            continue
        law = row.kernel.law if row.kernel is not None else None
        if law is not None and law.value is not None and _follows(row, law):
            words = _words(row, law)
            if words is not None:
                given.append((row, law, words))
        elif law is None or law.std is None or not _follows(row, law):
            measured += [(row, c) for c in (1, 2) if _is_measured(row, c)]
    found = [
        _mistake(findings, row, law.argument, *words)
        for row, law, words in given
        if _is_computed(law.value or 0.0) or len({law.value for _, law, _ in given}) > 1
    ]
    for c in (1, 2):
        rows = [row for row, other in measured if other == c]
        fans = [row.fan_in or 1 for row in rows]
        if len(rows) > 1 and max(fans) >= _DIFFERENT * min(fans):
            found += [
                _mistake(findings, row, "", f"{c} / {row.fan_in}", False)
                for row in rows
            ]
    return sorted(found, key=lambda each: findings.place(each.row.path))


def deep_norm_blocks(findings: Findings) -> tuple[LayerRow, Law, str, int] | None:
    """The first kernel that has DeepNorm's beta as its `scale`: (8 N)^(-1/4).

    N must be the number of blocks of this model, by its attention layers or by how many
    kernels have this scale: (8 N)^(-1/2), which is right, is a beta for 8 N^2 blocks.
    """
    rows = [
        (row, row.kernel.law)
        for row in findings.linear
        if row.kernel is not None and row.kernel.law is not None
    ]
    attentions = sum(row.path.endswith("/value") for row, _ in rows)
    for row, law in rows:
        if law.argument != "scale" or law.mode != "fan_avg" or not law.value:
            continue
        same = sum(other.value == law.value for _, other in rows)
        for factor in (8, 12):
            exact = law.value**-4 / factor
            blocks = round(exact)
            if blocks < 1 or abs(exact / blocks - 1) > _EXACT:
                continue
            counts = {n * blocks for n in _KERNELS_PER_BLOCK}
            if attentions in (blocks, 2 * blocks) or same in counts - {1}:
                return row, law, f"({factor} * {blocks})^(-1/4)", blocks
    return None


def _mistake(
    findings: Findings, row: LayerRow, argument: str, formula: str, is_root: bool
) -> Mistake:
    gain, need = kernel_gain(row), needed_gain(findings, row)
    deviation = row.kernel.std if row.kernel is not None else 0.0
    facts = activation_facts(findings.activation(row))
    given = f"`{argument}=" if argument else "a standard deviation of "
    value = row.kernel.law.value if argument and row.kernel and row.kernel.law else None
    number = deviation if value is None else value
    return Mistake(
        row,
        f"{given}{number:.4g}{'`' if argument else ''}, which is {formula}",
        deviation * need / gain,
        gain / need,
        '"he_normal"' if facts is None else facts.initializer,
        is_root,
        argument == "scale",
    )


def _words(row: LayerRow, law: Law) -> tuple[str, bool] | None:
    """The formula that an argument follows, and whether it is a root; or None."""
    fan_in, fan_out = row.fan_in or 1, row.fan_out or 1
    value = law.value or 0.0
    fans = {
        f"{fan_in}": fan_in,
        f"{fan_out}": fan_out,
        f"({fan_in} + {fan_out})": fan_in + fan_out,
    }
    for words, n in fans.items():
        for c in _NUMERATORS.get(law.argument, ()):
            if n <= 4 * c:
                continue
            if math.isclose(value, c / n, rel_tol=_EXACT):
                return f"{c} / {words}", False
            is_root = math.isclose(value, (c / n) ** 0.25, rel_tol=_EXACT)
            if is_root and law.argument != "scale":
                return f"({c} / {words})^(1/4)", True
    return None


def _is_computed(value: float) -> bool:
    """Whether nobody would write this number by hand."""
    return not math.isclose(value, float(f"{value:.{_DIGITS}g}"), rel_tol=1e-9)


def _follows(row: LayerRow, law: Law) -> bool:
    """Whether the weights are those of their law, as far as that can be seen."""
    return law.std is not None and _is_near(row, law.std)


def _is_measured(row: LayerRow, c: int) -> bool:
    return row.fan_in is not None and _is_near(row, c / row.fan_in)


def _is_near(row: LayerRow, deviation: float) -> bool:
    if row.kernel is None or deviation <= 0:
        return False
    size = math.prod(row.kernel.shape)
    tolerance = _TOLERANCE + _STANDARD_ERRORS * math.sqrt(2 / size)
    return abs((row.kernel.std / deviation) ** 2 - 1) <= tolerance
