"""The residual streams of a model: what its branches are added to, one by one."""

import dataclasses

from keras_initx._model.branches.branch import ResidualBranch
from keras_initx._model.branches.find import Residuals
from keras_initx._model.branches.paths import Paths


@dataclasses.dataclass
class Stream:
    """Branches that are added to the same sum, one after the other or side by side.

    Attributes:
        branches: list of ResidualBranch. In the order of their additions.
    """

    branches: list[ResidualBranch]

    @property
    def is_decoder(self) -> bool:
        """Whether it attends to another stream, or to earlier positions only."""
        return any(
            branch.is_cross
            or branch.is_causal
            or any("Decoder" in type(each).__name__ for each in branch.parents)
            for branch in self.branches
        )

    @property
    def is_cross(self) -> bool:
        """Whether it attends to another stream."""
        return any(branch.is_cross for branch in self.branches)

    @property
    def layers(self) -> int:
        """The number of transformer layers: of attention to itself, or of branches."""
        own = [b for b in self.branches if b.has_attention and not b.is_cross]
        return len(own) or len(self.branches)


def streams_of(found: Residuals) -> list[Stream]:
    """The streams of a model, in the order in which they run."""
    paths = Paths(found.graph.nodes)
    streams: list[Stream] = []
    for branch in found.branches:
        stream = next(
            (each for each in streams if _goes_on(paths, each.branches[-1], branch)),
            None,
        )
        if stream is None:
            streams.append(Stream([branch]))
        else:
            stream.branches.append(branch)
    return streams


def _goes_on(paths: Paths, last: ResidualBranch, branch: ResidualBranch) -> bool:
    """Whether a branch is the next one of the stream of `last`."""
    if branch.inputs in (last.addition, last.inputs):
        return True
    leads = paths.leads(last.addition, branch.inputs)
    return leads and not paths.least_kernels(last.addition, branch.inputs)
