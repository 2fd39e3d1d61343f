"""What to do about data that a kernel cannot learn from, as code to paste."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.input_places import leaf_of, scaling_before
from keras_initx.diagnostics._measure.features import Features
from keras_initx.diagnostics._measure.leaves import Leaf
from keras_initx.diagnostics._measure.rows import LayerRow

_ANYWHERE = "put this layer first in the model, so that it is saved with it"


def rescale(findings: Findings, row: LayerRow) -> str:
    """What brings data to the scale that initializers assume."""
    leaf = leaf_of(findings, row.features)
    if row.features is not None and row.features.looks == "pixels":
        layer = "keras.layers.Rescaling(1/255)"
        if leaf is None:
            return f"Put `{layer}` before '{row.path}'."
        return f"Use `{_replaced(findings, leaf, layer)}`, or {_ANYWHERE}."
    return normalize(findings, row)


def normalize(findings: Findings, row: LayerRow) -> str:
    """What gives each feature mean 0 and deviation 1."""
    leaf = leaf_of(findings, row.features)
    if leaf is None:
        return _instead_of_own(findings, row)
    axis = "axis=None" if leaf.rank < 2 else ""
    return (
        f"Use `norm = keras.layers.Normalization({axis}); norm.adapt({leaf.code}); "
        f"{_replaced(findings, leaf, 'norm')}`, or {_ANYWHERE}."
    )


def _instead_of_own(findings: Findings, row: LayerRow) -> str:
    """What to do where layers of the model scale the data in a wrong way."""
    own = scaling_before(findings, row)
    if own is row:
        return f"Put `keras.layers.BatchNormalization()` before '{row.path}'."
    place = row.features.leaves[0] if row.features and row.features.leaves else 0
    leaf = findings.seen.leaves[place] if findings.seen.leaves else Leaf()
    found = leaf.features
    advice = f"'{own.path}' ({own.type}) scales the data already: "
    if found is not None and found.minimum >= 0 and found.maximum <= 1:
        return f"{advice}pass it pixels, `{leaf.code} = 255 * {leaf.code}`."
    return f"{advice}pass what it expects, such as pixels from 0 to 255."


def _replaced(findings: Findings, leaf: Leaf, function: str) -> str:
    """Code that puts what a function makes of an array in its place."""
    made = f"{function}({leaf.code})"
    if len(findings.seen.leaves) > 1:
        # Keras takes no mixture of arrays and tensors.
        made = f"keras.ops.convert_to_numpy({made})"
    return f"{leaf.code} = {made}"


def embed(findings: Findings, row: LayerRow, layer: str) -> str:
    """What turns numbers of words into vectors, before a layer that got numbers."""
    leaf = leaf_of(findings, row.features)
    if row.type == "Dense" and leaf is not None and leaf.rank == 2:
        layer = f"keras.Sequential([{layer}, keras.layers.Flatten()])"
    advice = f"Put `{layer}` before '{row.path}'"
    if leaf is not None and leaf.rank > 2:
        advice += f", and pass the integers, `{leaf.code} = {leaf.code}[..., 0]`"
    return advice


def without(findings: Findings, features: Features) -> str:
    """Code that leaves the largest feature out."""
    leaf = leaf_of(findings, features)
    code = "x" if leaf is None else leaf.code
    return f"{code}[..., {features.largest}] = 0"
