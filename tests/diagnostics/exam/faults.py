"""Networks with one fault each, as people make them, and what repairs them."""

from diagnostics.exam import (
    depth,
    frozen_and_cut,
    inputs,
    kernels,
    losses,
    single_layers,
    steps_of_time,
    targets,
)

FAULTS = [
    *inputs.FAULTS,
    *targets.FAULTS,
    *losses.FAULTS,
    *depth.FAULTS,
    *kernels.FAULTS,
    *single_layers.FAULTS,
    *steps_of_time.FAULTS,
    *frozen_and_cut.FAULTS,
]
