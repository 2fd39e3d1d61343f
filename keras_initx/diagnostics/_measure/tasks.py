"""What a model is asked for: each output beside its targets and its loss."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import losses, ops

from keras_initx._keras import (
    compiled_loss,
    is_of_keras,
    loss_over,
    mask_of,
    preserve_names,
)
from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.losses import only_loss, total_loss

REGRESSION, BINARY, CATEGORICAL, SPARSE = (
    "regression",
    "binary",
    "categorical",
    "sparse",
)
# What each function of Keras compares; other functions are not known.
_KINDS = {
    "mean_squared_error": REGRESSION,
    "mean_absolute_error": REGRESSION,
    "mean_absolute_percentage_error": REGRESSION,
    "mean_squared_logarithmic_error": REGRESSION,
    "huber": REGRESSION,
    "log_cosh": REGRESSION,
    "poisson": REGRESSION,
    "binary_crossentropy": BINARY,
    "binary_focal_crossentropy": BINARY,
    "hinge": BINARY,
    "squared_hinge": BINARY,
    "categorical_crossentropy": CATEGORICAL,
    "categorical_focal_crossentropy": CATEGORICAL,
    "categorical_hinge": CATEGORICAL,
    "sparse_categorical_crossentropy": SPARSE,
}
# Scores of any size are what these compare.
HINGES = ("hinge", "squared_hinge", "categorical_hinge")
# So many numbers of an output are looked at: they take less time than a pass.
_MOST = 2**20
# So many samples are tried in a loss of one's own, and its numbers are float32.
_FEW, _ROUNDING = 8, 1e-5


@dataclasses.dataclass
class Task:
    """One output of a model, its targets and its loss.

    Attributes:
        kind: str. `"regression"`, `"binary"`, `"categorical"` (targets one-hot),
            `"sparse"` (targets are class numbers), or empty where the loss is unknown.
        targets: np.ndarray. As they were given.
        outputs: np.ndarray. As the model puts them out; of many, evenly spaced samples
            (and steps, where a sample alone has many).
        loss: str. The name of the loss.
        from_logits: bool. Whether the loss takes the outputs for logits.
        layer: str or None. The path of the row that makes the output.
        name: str. That of the output, where there are several.
        compared: np.ndarray or None. The targets beside the outputs. Defaults to
            `None`: all of them.
        weights: np.ndarray or None. How much each of `compared` counts, by sample
            weights, the mask and an ignored class; of fewer axes than `compared`.
        all_weights: np.ndarray or None. The same for `targets`.
        label_smoothing: float. As the loss has it.
        function: Callable or None. The loss itself.
        shape: tuple of int. That of the whole output.
        code: str. Python code for the targets, such as `y["name"]`.
        is_broadcast: bool. Whether a loss of one's own compares each output with other
            targets than its own.
    """

    kind: str
    targets: np.ndarray
    outputs: np.ndarray
    loss: str = ""
    from_logits: bool = False
    layer: str | None = None
    name: str = ""
    compared: np.ndarray = None  # type: ignore[assignment]
    weights: np.ndarray | None = None
    all_weights: np.ndarray | None = None
    label_smoothing: float = 0.0
    function: Callable[..., Any] | None = None
    shape: tuple[int, ...] = ()
    code: str = "y"
    is_broadcast: bool = False

    def __post_init__(self) -> None:
        if self.compared is None:
            self.compared = self.targets
        self.shape = self.shape or self.outputs.shape

    @property
    def classes(self) -> int:
        """How many classes there are; 2 for one unit, 0 where there are none."""
        if self.kind not in (BINARY, CATEGORICAL, SPARSE) or not self.outputs.ndim:
            return 0
        return 2 if self.kind == BINARY else self.outputs.shape[-1]

    @property
    def labels_out_of_range(self) -> np.ndarray:
        """The class numbers that count and that no output unit stands for, sorted.

        With such a label a loss is NaN on TensorFlow, and raises on PyTorch.
        """
        if self.kind != SPARSE or self.targets.dtype.kind not in "iuf":
            return np.empty(0)
        labels, weights = self.targets, self.all_weights
        is_wrong = (labels < 0) | (labels >= self.classes)
        if weights is not None and is_wrong.any():
            if weights.ndim == labels.ndim - 1 and labels.shape[-1] == 1:
                is_wrong, labels = is_wrong[..., 0], labels[..., 0]
            shape = weights.shape + (1,) * (labels.ndim - weights.ndim)
            is_wrong &= weights.reshape(shape) != 0
        return np.unique(labels[is_wrong])


def tasks_of(
    model: keras.layers.Layer,
    loss: Any,
    labelled: tuple[Any, Any, Any],
    output: Any,
    path_of: Callable[[Any], str | None],
) -> list[Task]:
    """One task for each output that has targets and a loss.

    There is none where a model computes its loss in a way of its own, by `add_loss`, a
    `compute_loss` or a `train_step`.

    Args:
        model: keras.layers.Layer.
        loss: As in `signal_report`.
        labelled: tuple. Inputs, targets and sample weights.
        output: What the model puts out.
        path_of: Callable. The path of the row that made a tensor.
    """
    _, y, sample_weight = labelled
    if y is None or (loss is None and _is_own(model)):
        return []
    tasks: list[Task] = []

    def note(function: Any, targets: Any, outputs: Any, weight: Any) -> None:
        task = _task(function, targets, outputs, weight)
        # `compile` gives both one rank before it calls a mere function.
        if not task.loss and (loss is not None or isinstance(function, losses.Loss)):
            task.is_broadcast = _changes_if_aligned(function, task.targets, outputs)
        task.layer, task.code = path_of(outputs), _code(y, targets)
        tasks.append(task)

    def recorder(part: Any) -> Any:
        return None if part is None else _Recorder(part, note)

    try:
        with preserve_names():
            if loss is None:
                recording = loss_over(compiled_loss(model), recorder)
                recording(y, output, sample_weight)
            else:
                recording = keras.tree.map_structure(recorder, only_loss(loss))
                total_loss(model, recording, y, output, sample_weight)
    except (KeyError, IndexError, TypeError, ValueError):
        # What does not go together is told by the loss itself.
        return []
    if len(tasks) > 1:
        _name(tasks, getattr(model, "output_names", []), output, path_of)
    return tasks


def _name(
    tasks: list[Task],
    names: list[str],
    output: Any,
    path_of: Callable[[Any], str | None],
) -> None:
    """Gives each task the name of its output."""
    paths = [path_of(leaf) for leaf in keras.tree.flatten(output)]
    if len(names) == len(paths):
        known = dict(zip(paths, names, strict=True))
        for task in tasks:
            task.name = known.get(task.layer, "")


def _is_own(model: keras.layers.Layer) -> bool:
    """Whether a model computes its loss in a way of its own, or none at all."""
    if compiled_loss(model) is None:
        return True
    return any(
        getattr(type(model), name) is not getattr(keras.Model, name)
        for name in ("compute_loss", "train_step")
    )


class _Recorder(losses.Loss):
    """In the place of a loss: tells what that would get, and computes nothing."""

    def __init__(self, function: Any, note: Callable[..., None]) -> None:
        super().__init__()
        self._function, self._note = function, note

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        function = _resolved(self._function, y_true, y_pred)
        self._note(function, y_true, y_pred, sample_weight)
        return ops.zeros(())


def _resolved(loss: Any, targets: Any, outputs: Any) -> Any:
    """The loss that is meant; `compile` takes the name of a family too."""
    if not (isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")):
        return keras.losses.get(loss)
    if outputs.shape[-1] == 1:
        return losses.binary_crossentropy
    is_sparse = len(targets.shape) < len(outputs.shape) or targets.shape[-1] == 1
    if is_sparse:
        return losses.sparse_categorical_crossentropy
    return losses.categorical_crossentropy


def _task(function: Any, targets: Any, outputs: Any, sample_weight: Any) -> Task:
    """What is compared by a loss."""
    name, settings = _named(function)
    targets, mask = _array(targets), mask_of(outputs)
    steps = _steps(tuple(outputs.shape))
    weights = _weights(targets, sample_weight, mask, settings.get("ignore_class"))
    task = Task(
        _KINDS.get(name, "") if settings.get("axis", -1) == -1 else "",
        targets,
        _array(outputs[steps]),
        loss=name,
        from_logits=name in HINGES or bool(settings.get("from_logits")),
        all_weights=weights,
        label_smoothing=float(settings.get("label_smoothing") or 0.0),
        function=function,
        shape=tuple(outputs.shape),
    )
    task.compared = _beside(targets, steps, outputs.shape)
    task.weights = None if weights is None else _beside(weights, steps, outputs.shape)
    return task


def _code(y: Any, targets: Any) -> str:
    """Python code for these targets, where `y` are all."""
    keys = list(y) if isinstance(y, dict) else range(len(y)) if _is_list(y) else ()
    return next((f"y[{key!r}]" for key in keys if y[key] is targets), "y")


def _is_list(y: Any) -> bool:
    return isinstance(y, list | tuple)


def _changes_if_aligned(function: Any, targets: np.ndarray, outputs: Any) -> bool:
    """Whether a loss is another one if its arguments have one shape.

    It has then compared each output with several targets; unless it also differs
    between the two ways to give them one shape, and so reads the shapes itself.
    """
    shape = tuple(outputs.shape)
    if targets.size != math.prod(shape) or targets.shape == shape:
        return False
    if targets.shape[:1] != shape[:1] or targets.dtype.kind not in "biuf":
        return False
    few = _array(outputs[:_FEW]).astype("float32")
    own = targets[:_FEW].astype("float32")
    pairs = (own, few), (own.reshape(few.shape), few), (own, few.reshape(own.shape))
    try:
        given, one, other = (_mean_of(function, *pair) for pair in pairs)
    except Exception:
        # It is code of a user, which takes what it takes.
        return False
    return math.isclose(one, other, rel_tol=_ROUNDING) and not math.isclose(
        given, one, rel_tol=100 * _ROUNDING
    )


def _mean_of(function: Any, targets: np.ndarray, outputs: np.ndarray) -> float:
    losses_ = function(*map(ops.convert_to_tensor, (targets, outputs)))
    return float(np.mean(as_array(losses_)))


def _named(function: Any) -> tuple[str, dict[str, Any]]:
    """The name of a loss as a function of Keras has it, and its settings."""
    settings: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        settings = {**function.keywords, **settings}
        function = function.func
    if isinstance(function, losses.Loss) and is_of_keras(function):
        keys = ("from_logits", "label_smoothing", "axis", "ignore_class")
        settings = {key: getattr(function, key, None) for key in keys} | settings
        if settings["axis"] is None:
            del settings["axis"]
        function = getattr(function, "fn", function)
    name = getattr(function, "__name__", type(function).__name__)
    is_known = getattr(losses, name, None) is function and name in _KINDS
    return name if is_known else "", settings


def _array(value: Any) -> np.ndarray:
    """A tensor, array, list or number in NumPy; bfloat16 as float32."""
    if not isinstance(value, np.ndarray):
        value = as_array(ops.convert_to_tensor(value))
    return value if value.dtype.kind in "biufUSO" else value.astype("float32")


def _steps(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Which samples of an output are looked at, and which of its further positions."""
    steps = []
    left = math.prod(shape)
    for size in shape[: max(1, len(shape) - 1)]:
        step = max(1, min(size, math.ceil(left / _MOST)))
        steps.append(slice(None, None, step))
        left = left * math.ceil(size / step) // max(size, 1)
    return tuple(steps) if shape else ()


def _beside(
    array: np.ndarray, steps: tuple[slice, ...], shape: tuple[int, ...]
) -> np.ndarray:
    """The part of targets or weights that belongs to these parts of an output."""
    axes = zip(array.shape, steps, shape, strict=False)
    own = (step if size == other else slice(None) for size, step, other in axes)
    return array[tuple(own)]


def _weights(
    targets: np.ndarray, sample_weight: Any, mask: Any, ignored: Any
) -> np.ndarray | None:
    """How much each target counts; None if all count alike."""
    found: np.ndarray | None = None
    for part in (sample_weight, mask):
        if part is None:
            continue
        part = _array(part).astype("float32")
        if part.ndim > 1 and part.shape[-1] == 1:
            part = part[..., 0]
        found = part if found is None else _times(found, part)
    if ignored is not None:
        counts = (targets != ignored).astype("float32")
        if counts.ndim > 1 and counts.shape[-1] == 1:
            counts = counts[..., 0]
        found = counts if found is None else _times(found, counts)
    return found


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two arrays of weights, of which one may have fewer axes."""
    rank = max(a.ndim, b.ndim)
    a, b = (part.reshape(part.shape + (1,) * (rank - part.ndim)) for part in (a, b))
    return a * b
