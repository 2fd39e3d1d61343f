"""Verdicts on the data, as the first kernels get it."""

import math

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.input_places import (
    first_that,
    path_of,
    place_of,
    reached,
)
from keras_initx.diagnostics._judge.input_remedies import (
    embed,
    normalize,
    rescale,
    without,
)
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.features import Features
from keras_initx.diagnostics._measure.rows import LayerRow

# Small networks with Keras's initializers on images of digits: at a root mean square of
# 64 SGD with momentum does not learn, at 128 plain SGD neither; with pixels, which have
# a mean, momentum fails from 32 on. 16 and the digits' own scale of 0 to 16 do no harm.
LARGE, LARGE_PIXELS = 100.0, 32.0
# Black and white images less a mean of at least 103, as VGG gets them: its rectifiers
# with Keras's initializer make numbers below 1 of them in the end.
LARGEST_IMAGES = 152.0
# With Keras's kernels the gates of one such feature have a deviation of 3 to 6, for 16
# to 64 units, and saturate.
LARGE_IN_TIME = 32.0
# The length of what one unit sums over. At 8e-3 SGD learns nothing, and Adam half as
# much; at 8e-2 Adam learns. Pixels that are divided by 255 twice have 1.2e-2.
SMALL = 1.5e-2
# A normalization of so small an output has not taken the scale away: its epsilon has.
NORMALIZED = 0.1
# A mean of 20 deviations. At 7 deviations Adam still gets from an R2 of 0.97 to 0.68,
# at 20 to 0.58, at 30 to 0.38; dark text on white paper has 7.
CENTERED = 2.5e-3
# What dominates must leave nothing to the others.
MOST = 0.99

_BETWEEN = ("", "relu", "leaky_relu", "relu6", "linear")


def constant_inputs(findings: Findings) -> Verdict | None:
    """Samples that are all the same."""
    leaves = [leaf for leaf in findings.seen.leaves if leaf.features is not None]
    known = [leaf.features for leaf in leaves if leaf.features is not None]
    # Numbers of positions, types or tokens may be the same on purpose.
    is_suspect = any(leaf.row is not None for leaf in leaves) or any(
        row.is_constant for row in findings.rows
    )
    if not known or not (is_suspect or findings.seen.tasks):
        return None
    if all(features.is_equal for features in known):
        start, path = "all samples of the inputs are equal", path_of(leaves[0])
        many, code = len(known) > 1, leaves[0].code
    else:
        rows = reached(findings)
        if not rows or not all(_became_equal(row.features) for row in rows):
            return None
        row, many, code = rows[0], False, "x"
        start = f"all samples are equal where they reach {findings.name(row)}"
        path = row.path
    what = "these arrays are" if many else "this array is"
    text = (
        f"{start}: there is nothing to learn from. Check how {what} made; a division "
        "of integers or a cast to integers may have taken the differences away. "
        f"`np.ptp(np.asarray({code}), axis=0).max()` must not be 0."
    )
    return Verdict("constant_inputs", path, text)


def ids_as_numbers(findings: Findings) -> Verdict | None:
    """Numbers of words, users or the like, that a kernel takes for quantities."""
    row = first_that(findings, lambda features: features.looks in ("ids", "one id"))
    if row is None or row.features is None:
        return None
    found = row.features
    layer = f"keras.layers.Embedding({int(found.maximum) + 1}, 32)"
    if found.looks == "ids":
        what = (
            f"the data that {findings.name(row)} gets is integers up to "
            f"{found.maximum:.6g}, like the numbers of words"
        )
        advice = embed(findings, row, layer)
    else:
        what = (
            f"feature {found.largest} of the {found.count} that {findings.name(row)} "
            f"gets is integers spread evenly up to {found.maximum:.6g}, like an id"
        )
        advice = (
            f"Leave it out, for example `{without(findings, found)}`, or give it an "
            f"input of its own with `{layer}`"
        )
    text = (
        f"{what}, and not quantities: number 2 is not twice number 1. {advice}. If it "
        "is a quantity, scale it."
    )
    return Verdict("ids_as_numbers", place_of(findings, row), text)


def dominant_feature(findings: Findings) -> Verdict | None:
    """A few features beside which the kernel does not see the others."""
    row = first_that(findings, _is_dominated)
    if row is None or row.features is None:
        return None
    found = row.features
    few = f"feature {found.largest}"
    if found.dominant > 1:
        few = f"{found.dominant} features, the largest of them number {found.largest},"
    text = (
        f"{few} of the {found.count} that {findings.name(row)} gets "
        f"{'have' if found.dominant > 1 else 'has'} a root mean square of up to "
        f"{found.largest_rms:.2g}, where a typical one has {found.typical_rms:.2g}: "
        f"{100 * found.dominant_share:.4g} % of the sum of squares. The layer "
        f"hardly sees the others. {normalize(findings, row)}"
    )
    return Verdict("dominant_feature", place_of(findings, row), text)


def unscaled_inputs(findings: Findings) -> Verdict | None:
    """Data that is far larger or smaller than initializers assume."""
    rows = [row for row in reached(findings) if _is_unscaled(findings, row)]
    if not rows or rows[0].features is None:
        return None
    row, found = rows[0], rows[0].features
    more = f", and {len(rows) - 1} more layers get such data" if len(rows) > 1 else ""
    numbers = "pixels" if found.looks == "pixels" else "numbers"
    text = (
        f"{findings.name(row)} gets {numbers} from {found.minimum:.3g} to "
        f"{found.maximum:.3g} with a root mean square of {found.rms:.2g}{more}. "
        f"Initializers assume about 1. {rescale(findings, row)}"
    )
    return Verdict("unscaled_inputs", place_of(findings, row), text)


def uncentered_inputs(findings: Findings) -> Verdict | None:
    """Data whose mean is far larger than its deviation."""
    row = next((row for row in reached(findings) if _is_off(findings, row)), None)
    if row is None or row.features is None:
        return None
    ratio = (1 / row.features.variance_share - 1) ** 0.5
    text = (
        f"the features that {findings.name(row)} gets have means of {ratio:.3g} times "
        "their deviations: all samples are nearly the same. "
        f"{normalize(findings, row)}"
    )
    return Verdict("uncentered_inputs", place_of(findings, row), text)


def _became_equal(features: Features | None) -> bool:
    """Whether layers have made all samples equal, and not the one who passed them."""
    return features is not None and features.is_equal and not features.is_raw


def _is_dominated(features: Features) -> bool:
    return features.dominant > 0 and features.dominant_share > MOST


def _is_unscaled(findings: Findings, row: LayerRow) -> bool:
    found = row.features
    if found is None or found.rms == 0:
        return False
    limit = LARGE_PIXELS if found.looks == "pixels" else LARGE
    if row.over_time is not None:
        limit = min(limit, LARGE_IN_TIME)
    length = found.rms * (row.fan_in or found.count) ** 0.5
    is_large = found.rms > limit and not _is_taken_away(findings, found)
    is_wrong = is_large or length < SMALL
    return is_wrong and not _is_normalized(findings, row)


def _is_taken_away(findings: Findings, found: Features) -> bool:
    """Whether images less their mean lose their scale in a deep network by itself."""
    leaves = findings.seen.leaves
    are_images = any(leaves[n].rank > 3 for n in found.leaves if n < len(leaves))
    is_like_pixels = found.looks != "pixels" and found.minimum < 0
    last = findings.linear[-1].rms if findings.linear else math.inf
    is_small = last < 1 and not any(
        row.saturated for row in findings.rows if not row.is_output
    )
    return are_images and is_like_pixels and is_small and found.rms < LARGEST_IMAGES


def _is_off(findings: Findings, row: LayerRow) -> bool:
    found = row.features
    if found is None or found.constant == found.count:
        return False
    is_centered = _is_normalized(findings, row, ("BatchNormalization",))
    return found.variance_share < CENTERED and not is_centered


def _is_normalized(
    findings: Findings, row: LayerRow, types: tuple[str, ...] = ()
) -> bool:
    """Whether a normalization takes the scale away before anything depends on it."""
    following = findings.rows[findings.place(row.path) + 1 :]
    for before, other in zip([row, *following], following, strict=False):
        if before.activation not in _BETWEEN:
            return False
        normalization = findings.normalization(before)
        if normalization is not None:
            is_meant = not types or normalization.type in types
            return is_meant and (normalization.std or 0.0) >= NORMALIZED
        if other.kernels or other.type in ("Add", "Concatenate"):
            return False
    return False
