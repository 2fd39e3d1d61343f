"""A start of a network by a name of keras_initx, beside that of Keras."""

import dataclasses
from collections.abc import Callable

import keras_initx
from _panels.spectrum import Spectrum, singular_values
from _panels.task import Task


def keras_default(network, seed):
    """What the network starts with if nobody names an initializer."""
    keras_initx.reinitialize(network, seed=seed)


def redraw(rules):
    """A start that draws some weights by rules, and all others as Keras does."""

    def start(network, seed):
        keras_initx.reinitialize(network, rules, seed=seed)

    return start


@dataclasses.dataclass(frozen=True)
class Entry:
    """What one picture shows.

    Attributes:
        task: function without arguments that makes the network and its data.
        start: function of a network and a seed, which sets the weights.
        shown: str. The path of the weight in the first two panels.
        default: what Keras draws this weight by.
        spectrum: what the second panel shows of the weight.
        plain_task: the task of Keras's default, if the network is another one.
        steps: int. The signal is measured after so many steps of training: where the
            last layers start at zero, no gradient reaches the others before.
        is_trained: bool. Whether the weight is the one after these steps too.
    """

    task: Callable[[], Task]
    start: Callable
    shown: str
    default: str = "glorot_uniform"
    spectrum: Spectrum = singular_values
    plain_task: Callable[[], Task] | None = None
    steps: int = 0
    is_trained: bool = False
