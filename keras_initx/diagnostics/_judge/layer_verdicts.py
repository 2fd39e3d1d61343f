"""Verdicts on single layers that take the signal away: noise, and normalization."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.pasted import setting
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow

# Dropout of 0.9. On small images of digits two layers of 64 units learn with 0.5 and
# with 0.8 (96 % and 83 % after ten epochs), and nothing at all with 0.9.
NOISE = 3.0
_ROUNDING = 1e-6
# What a softer noise of Gauss would be.
_GENTLE = 0.3


def strong_noise(findings: Findings) -> Verdict | None:
    """Noise that is several times as large as the signal."""
    for row in findings.rows:
        if row.noise is None or row.noise < NOISE - _ROUNDING:
            continue
        if row.dropped is None:
            scale = row.std or 0.0
            what = (
                f"the noise has {row.noise:.3g} times the standard deviation of the "
                f"signal, which is {scale:.2g}"
            )
            line = setting(row.path, "stddev", f"{_GENTLE * scale:.2g}")
            advice = f"Use {line}"
        else:
            what = (
                f"{100 * row.dropped:.3g} % of the signal is dropped: the noise has "
                f"{row.noise:.3g} times its standard deviation"
            )
            advice = (
                "The rate is the share that is dropped, from 0 to 1, and not the share "
                f"that is kept. Use {_rate_line(row)}"
            )
        text = (
            f"in {findings.name(row)} {what}; with more than {NOISE:g} times little is "
            f"learned. {advice}."
        )
        return Verdict("strong_noise", row.path, text)
    return None


def normalization_of_one(findings: Findings) -> Verdict | None:
    """A normalization of single numbers: what comes out does not depend on them."""
    row = next((row for row in findings.rows if row.normalized_over == 1), None)
    if row is None:
        return None
    left = "only their signs are left"
    if row.type in ("BatchNormalization", "GroupNormalization", "LayerNormalization"):
        left = "each number minus itself is 0"
    text = (
        f"{findings.name(row)} normalizes each number by itself: {left}, and the "
        f"layers after it see nothing of the inputs. {_other_numbers(row)}"
    )
    return Verdict("normalization_of_one", row.path, text)


def _rate_line(row: LayerRow) -> str:
    """A rate for a layer: what is kept now, where that is a sensible one."""
    rate = max(0.01, round(1 - (row.dropped or 0.0), 2))
    if row.noise_argument == "rate" and "/" in row.path:
        line = f"`keras.layers.{row.type}({rate})`"
        return f"{line}, or `dropout={rate}` in an attention layer"
    if row.noise_argument == "rate":
        return setting(row.path, "rate", rate)
    return f"`{row.noise_argument}={rate}`"


def _other_numbers(row: LayerRow) -> str:
    """What to normalize over instead."""
    if row.type == "BatchNormalization":
        return (
            "The batch has one sample: train with `model.fit(x, y, batch_size=32)`, or "
            "use `keras.layers.LayerNormalization()`, which needs no batch."
        )
    if row.units > 1:
        return (
            "Normalize over all channels: `keras.layers.LayerNormalization(axis=-1)`."
        )
    return (
        "Normalize over the samples instead: `keras.layers.BatchNormalization()`, or "
        "leave it out."
    )
