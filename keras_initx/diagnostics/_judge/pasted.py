"""Lines to paste for a layer: another attribute, activation or end of the model."""

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.rows import LayerRow


def setting(path: str, attribute: str, value: float | str, argument: str = "") -> str:
    """A line that sets an attribute of a layer, or the argument that it comes from.

    A layer within another one cannot be reached by its name.

    Args:
        path: str. The layer's path.
        attribute: str. Its name.
        value: float or str. What it shall be.
        argument: str. That of the constructor. Defaults to the attribute's name.
    """
    if "/" in path:
        return f"`{argument or attribute}={value}`"
    return f'`model.get_layer("{path}").{attribute} = {value}`'


def other_activation(
    findings: Findings,
    row: LayerRow,
    name: str,
    last: LayerRow | None = None,
    then: str = "",
) -> str:
    """Another activation of a layer.

    Args:
        findings: Findings.
        row: LayerRow. Whose activation is changed.
        name: str. The new one.
        last: LayerRow or None. The model's last layer, which is dropped instead if
            there is nothing to change in `row`. Defaults to `None`.
        then: str. A further statement. Defaults to `""`.
    """
    code = code_of(row)
    if row.type == "ReLU" and name == "linear":
        # A slope of 1 on both sides.
        line = f"{code}.negative_slope = 1.0"
    elif row.type == "Softmax" and name != "linear":
        other = f'keras.layers.Activation("{name}")'
        line = other_end(findings, f"{other}({code}.input)")
    elif row.type == "Softmax":
        line = other_end(findings, f"{code_of(last or row)}.input")
    else:
        line = f"{code}.activation = keras.activations.{name}"
    return f"Use `{'; '.join(filter(None, (line, then)))}`."


def other_end(findings: Findings, output: str) -> str:
    """The statement that lets a model end elsewhere."""
    inputs = "model.inputs" if len(findings.inputs) > 1 else "model.inputs[0]"
    return f"model = keras.Model({inputs}, {output})"


def code_of(row: LayerRow) -> str:
    """Python code that gives the layer of a row."""
    name = row.path.rpartition("/")[2]
    return row.code or f'model.get_layer("{name}")'
