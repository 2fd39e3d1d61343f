"""A healthy row of a report, for tests of what the verdicts say of rows."""

from keras_initx.diagnostics._measure.rows import LayerRow


def dense_row(path, kernel, **quantities):
    """A healthy dense layer with this kernel, except for what is given."""
    defaults = {
        "units": 64,
        "pre_activation_mean": 0.0,
        "pre_activation_std": 1.0,
        "std": 1.0,
        "cosine": 0.1,
        "spread": 2.0,
        "output_gradient": 1.0,
        "kernels": [kernel],
    }
    return LayerRow(path, "Dense", **{**defaults, **quantities})
