"""Verdicts on attention."""

import math

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.attention_weights import AttentionWeights

# Scores of a deviation of 1 and less are usual, and then it is below 0.4. With a
# deviation of 4, or of 7 over a hundred keys, it is above 0.7: on a task of recalling
# one pair of eight, accuracy falls from 82 % to 59 % at 0.68, and to 39 % at 0.83.
SHARP = 0.7


def one_hot_attention(findings: Findings) -> Verdict | None:
    """Queries each of which looks at one key."""
    # A softmax over the classes at each position is no attention.
    outputs = {row.path for row in findings.rows if row.is_output}
    wrong = [
        each
        for each in findings.seen.attention
        if each.sharpness > SHARP and each.path not in outputs
    ]
    if not wrong:
        return None
    seen, others = wrong[0], len(wrong) - 1
    more = f", and the same in {others} more layers" if others else ""
    kind = f" ({seen.type})" if seen.type else ""
    text = (
        f"in '{seen.path}'{kind} the largest weight of a query over {seen.keys:.3g} "
        f"keys is {seen.largest:.2g} on average: each query looks at one key only, and "
        f"the others hardly learn{more}. The scores have a standard deviation of "
        f"{seen.score_std:.2g}, where 1 or less is usual. {_advice(seen)}"
    )
    return Verdict("one_hot_attention", seen.path, text)


def _advice(seen: AttentionWeights) -> str:
    """What makes the scores smaller."""
    if seen.type in ("MultiHeadAttention", "GroupedQueryAttention"):
        return (
            "Put `keras.layers.LayerNormalization()` before it, and use "
            '`kernel_initializer="glorot_uniform"`; or `keras_initx.lsuv(model, x)`, '
            "which sets the scale of queries and keys by the data."
        )
    if seen.type == "Attention":
        size = seen.features or round(seen.score_std**2)
        return (
            "It does not divide the scores by the square root of the size of a key. "
            f"Use `keras.layers.MultiHeadAttention(num_heads=1, key_dim={size})`, "
            "which does, after a projection."
        )
    # Scores that overflow have no deviation.
    std = seen.score_std if math.isfinite(seen.score_std) else 1e4
    return (
        "Divide them by the square root of the size of a key, or by their standard "
        f"deviation: `scores = scores * {1 / std:.2g}` before the softmax."
    )
