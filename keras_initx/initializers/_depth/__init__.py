"""How kernels are scaled in deep networks."""
