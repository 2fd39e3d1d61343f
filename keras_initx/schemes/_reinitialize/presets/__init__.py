"""The default initializations of other libraries and papers, for whole models."""
