"""The cosine between two inputs that the theory of wide networks gives, by depth."""

from keras_initx.activations import correlation_map
from keras_initx.diagnostics._judge.activation_facts import name_of_map
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.rows import LayerRow


def expected_cosine(
    findings: Findings, rows: list[LayerRow], cosine: float
) -> float | None:
    """That of the outputs of the last of these layers, which follow each other.

    Each layer maps it by the correlation map of its activation, at the variance of its
    pre-activation (Poole et al. 2016, section 2). With zero biases the next layer gets
    what this one puts out.

    Returns:
        None where an activation has no such map, or the signal is gone.
    """
    for row in rows:
        if not row.rms > 0:
            return None
        try:
            activation = name_of_map(findings.activation(row))
            cosine = correlation_map(activation, cosine, row.rms**2, 1.0)
        except ValueError:
            return None
    return cosine
