"""What a row of the page is: a network, a task, and one line."""

import dataclasses
from collections.abc import Callable

import keras


@dataclasses.dataclass(frozen=True)
class Task:
    """What is learned, and how.

    Attributes:
        what: str. As the page tells it.
        data: function that returns `(x_train, y_train, x_test, y_test)`.
        loss: str or function that makes a `keras.losses.Loss`.
        score: str. What the table shows: a test metric, or a loss.
        unit: str. Of the score: "%", or what stands before the number.
        metrics: tuple of str.
        optimizer: function that makes one.
        rates: learning rates.
        epochs: int.
        batch_size: int.
        samples: int or None. So many of the data, for a quick run.
    """

    what: str
    data: Callable
    loss: object
    score: str = "test accuracy"
    unit: str = "%"
    metrics: tuple[str, ...] = ("accuracy",)
    optimizer: Callable = keras.optimizers.Adam
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    epochs: int = 4
    batch_size: int = 50
    samples: int | None = None

    @property
    def is_higher_better(self):
        """Whether the score is no loss or error."""
        return self.unit in ("%", "steps")

    def compile(self, network):
        """Makes the network ready for `_learning.best_run`."""
        loss = self.loss() if callable(self.loss) else self.loss
        network.compile(self.optimizer(), loss, metrics=list(self.metrics))
        # TensorFlow traces the training step twice if that step has to make variables.
        network.optimizer.build(network.trainable_variables)


@dataclasses.dataclass(frozen=True)
class Control:
    """A network or task for which the line is expected not to help."""

    what: str
    size: dict
    task: Task | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A network, the line to paste, and when it does not help.

    A line is a call that sets a model (`keras_initx.lsuv(model, x)`), arguments of the
    layers (`kernel_initializer="siren"`), or a layer.

    Attributes:
        name: str. Of the file and of the anchor.
        network: str.
        activation: str.
        build: function of sizes, and of arguments for the layers.
        task: Task.
        lines: tuple of str. What is measured beside Keras's default. The page names the
            one with the best score.
        tutorial: str. The name of a notebook.
        not_when: str. When the line does not help; may name `{default}` and `{line}`
            of the control.
        size: dict. Arguments of `build`.
        small: dict. Sizes that build in no time, for tests.
        control: Control or None.
        train: function in the place of `_learning.best_run`.
        extra: function of the model and the data that measures something else.
        extra_name: str. What that is.
        names: function that returns what a line may name beside `model`, `x` and `y`.
    """

    name: str
    network: str
    activation: str
    build: Callable
    task: Task
    lines: tuple[str, ...]
    tutorial: str
    not_when: str
    size: dict = dataclasses.field(default_factory=dict)
    small: dict = dataclasses.field(default_factory=dict)
    control: Control | None = None
    train: Callable | None = None
    extra: Callable | None = None
    extra_name: str = ""
    names: Callable = dict
