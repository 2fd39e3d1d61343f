"""Verdicts on embeddings."""

import math

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.embeddings import EmbeddingScale
from keras_initx.diagnostics._measure.rows import LayerRow

# With kernels of gain 1, gates and sigmoids that get a deviation of 5 are saturated for
# half of the values. Usual are 0.02 to 1.
LARGE = 5.0
# Keras's default has 0.03, and the language models 0.02.
SMALL = 1e-4
# The logits of V classes with this deviation have a loss of 12 more than log V.
LARGE_LOGITS = 5.0

# On a task of recalling one pair of eight, accuracy after 12 epochs is 80 % where
# tokens are 2.5 times as large as sinusoidal positions, 46 % where they are 1.4 times
# as small, and 19 % with Keras's default, 9.6 times as small. Products with the root of
# the columns, as usual, leave 4 at most. Small positions drown nothing: some hundred
# updates of 1e-3 make up for them.
DROWNED, NOTICEABLE = 8.0, 0.1


def large_embeddings(findings: Findings) -> Verdict | None:
    """Embeddings that are too large for the layers after them, or for the logits."""
    for seen in findings.seen.embeddings:
        row = _row(findings, seen)
        logits = seen.logits_std or 0.0
        if logits > LARGE_LOGITS:
            root = math.sqrt(seen.dimension)
            what = (
                f"the table is also the last kernel, and the logits have a standard "
                f"deviation of {logits:.2g}, where 1 or less is usual: that of the "
                f"table, {seen.std:.2g}, times the root of its {seen.dimension} columns"
            )
            std = min(0.02, 0.5 / root)
        elif seen.std > LARGE and not _is_rescaled(findings, row, seen.std, LARGE):
            what = (
                f"the embeddings have a standard deviation of {seen.std:.2g}, where "
                "0.02 to 1 is usual, and nothing scales them before the next kernel"
            )
            std = 0.02
        else:
            continue
        text = f"in {_name(findings, row, seen)} {what}. {_draw_again(std)}"
        return Verdict("large_embeddings", seen.path, text)
    return None


def small_embeddings(findings: Findings) -> Verdict | None:
    """Embeddings that the layers after them hardly see."""
    for seen in findings.seen.embeddings:
        row = _row(findings, seen)
        if not 0 < seen.std < SMALL or seen.dimension == 1:
            continue
        if _is_rescaled(findings, row, seen.std, SMALL):
            continue
        text = (
            f"in {_name(findings, row, seen)} the embeddings have a standard deviation "
            f"of {seen.std:.2g}, where 0.02 to 1 is usual: the layers after it see "
            f"hardly anything of the tokens. {_draw_again(0.02)}"
        )
        return Verdict("small_embeddings", seen.path, text)
    return None


def drowned_tokens(findings: Findings) -> Verdict | None:
    """Positions that are far larger than the tokens to which they are added."""
    for seen in findings.seen.embeddings:
        large = (each for each in findings.seen.embeddings if each.std > LARGE)
        if seen.drowning <= DROWNED or any(large):
            continue
        # What is multiplied before positions are added is updated by as much more.
        row, needed = _row(findings, seen), seen.std * seen.drowning
        if needed < NOTICEABLE:
            continue
        advice = _draw_again(needed)
        if needed > 1:
            advice = (
                "Make the positions smaller: "
                f"`positions = positions * {1 / seen.drowning:.2g}`."
            )
        text = (
            f"in '{seen.positions}' positions with a standard deviation of "
            f"{seen.positions_std:.2g} are added to tokens with one of "
            f"{seen.tokens_std:.2g}, from {_name(findings, row, seen)}: "
            f"{seen.drowning:.2g} times as much. All inputs look alike at first. "
            f"{advice}"
        )
        return Verdict("drowned_tokens", seen.path, text)
    return None


def _draw_again(std: float) -> str:
    return (
        "Use `embeddings_initializer=keras.initializers.RandomNormal"
        f"(stddev={std:.2g})`."
    )


def _row(findings: Findings, seen: EmbeddingScale) -> LayerRow | None:
    return next((row for row in findings.rows if row.path == seen.path), None)


def _name(findings: Findings, row: LayerRow | None, seen: EmbeddingScale) -> str:
    return findings.name(row) if row is not None else f"'{seen.path}'"


def _is_rescaled(
    findings: Findings, row: LayerRow | None, std: float, limit: float
) -> bool:
    """Whether a layer before the next kernel takes the scale away."""
    if row is None:
        return False
    for other in findings.rows[findings.place(row.path) + 1 :]:
        if other.type.endswith("Embedding"):
            continue
        if other.fan_in is not None:
            break
        if ((other.std or 0.0) > limit) != (std > limit):
            return True
    return False
