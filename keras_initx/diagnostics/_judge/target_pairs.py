"""Each task beside what is known of its targets."""

from typing import NamedTuple

from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._measure.targets import TargetRow
from keras_initx.diagnostics._measure.task import Task


class Pair(NamedTuple):
    """A task, and what is known of its targets."""

    task: Task
    row: TargetRow

    @property
    def of(self) -> str:
        """Which targets are meant, where there are several."""
        return f" of '{self.task.name}'" if self.task.name else ""


def pairs_of(findings: Findings) -> list[Pair]:
    """The tasks of a known kind, with what is known of their targets."""
    seen = findings.seen
    pairs = map(Pair, seen.tasks, seen.targets)
    return [pair for pair in pairs if pair.task.kind and pair.row.count]
