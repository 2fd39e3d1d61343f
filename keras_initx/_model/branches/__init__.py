"""The residual branches of a model."""
