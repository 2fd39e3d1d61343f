"""The weights of attention: on how many keys each query looks.

Of large ones a part of samples, heads and queries is looked at.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_initx._model.tensors import as_array

# A query that may look at fewer keys tells nothing.
_FEW_KEYS = 4
_SAMPLES, _QUERIES, _ENTRIES = 4, 64, 2**20
# A mask adds -1e4 at least.
_MASKED = -9e3


@dataclasses.dataclass
class AttentionWeights:
    """How one layer attends.

    Attributes:
        path: str. The layer's path in the model.
        type: str. The name of its class.
        keys: float. How many keys a query may look at, on average.
        largest: float. The largest weight of a query, on average.
        score_std: float. The standard deviation of the scores of a query.
        features: int or None. The size of a key, where it is known.
    """

    path: str
    type: str
    keys: float
    largest: float
    score_std: float
    features: int | None = None

    @property
    def sharpness(self) -> float:
        """0 if all keys count alike, and 1 if each query looks at one key only."""
        return (self.largest - 1 / self.keys) / (1 - 1 / self.keys)


def scores_of_softmax(scores: Any, axis: int) -> np.ndarray:
    """Scores of shape `(queries, keys)`: a part of a softmax's inputs."""
    array = np.moveaxis(as_array(scores[:_SAMPLES]), axis, -1)
    return _thinned(array.reshape(-1, array.shape[-1]))


def _thinned(array: np.ndarray) -> np.ndarray:
    """Every second query or so of a large array."""
    step = max(1, math.ceil(array.size / _ENTRIES))
    return array[::step].astype("float32")


def scores_over_several(scores: Any, mask: Any, axes: Sequence[int]) -> np.ndarray:
    """Scores of shape `(queries, keys)`: the inputs of a softmax over several axes."""
    array = as_array(scores[:_SAMPLES]).astype("float32")
    if mask is not None:
        array = np.where(as_array(mask)[:_SAMPLES].astype(bool), array, -np.inf)
    array = np.moveaxis(array, axes, range(-len(axes), 0))
    keys = math.prod(array.shape[-len(axes) :])
    return _thinned(array.reshape(-1, keys))


def scores_of_attention(given: dict[str, Any]) -> np.ndarray:
    """Scores of shape `(queries, keys)`, from queries and keys."""
    query, key = (
        as_array(given[name][:_SAMPLES]).astype("float32").swapaxes(1, 2)
        for name in ("query", "key")
    )
    if key.shape[1] != query.shape[1]:
        key = np.repeat(key, query.shape[1] // key.shape[1], axis=1)
    length = query.shape[2]
    places = np.unique(np.linspace(0, length - 1, _QUERIES).round().astype("int64"))
    heads = max(1, math.ceil(query[:, :, places, 0].size * key.shape[2] / _ENTRIES))
    query, key = query[:, ::heads, places], key[:, ::heads]
    scale = given.get("scale")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    scores = query @ key.swapaxes(-1, -2) * np.float32(scale)
    for name in ("bias", "mask"):
        if given.get(name) is None:
            continue
        array = as_array(given[name])
        array = array[(None,) * (4 - array.ndim)]
        array = np.broadcast_to(array, (*array.shape[:2], length, key.shape[2]))
        array = array[:_SAMPLES, :: heads if array.shape[1] > 1 else 1, places]
        if name == "bias":
            scores = scores + array.astype("float32")
        else:
            scores = np.where(array.astype(bool), scores, -np.inf)
    if given.get("is_causal"):
        later = np.arange(key.shape[2]) > places[:, None]
        scores = np.where(later, -np.inf, scores)
    return scores.reshape(-1, scores.shape[-1])


def weights_of(scores: np.ndarray) -> tuple[float, float, float] | None:
    """Keys, largest weight and deviation of the scores, on average over queries.

    None if no query may look at several keys.
    """
    # Scores as large as a mask have values of both signs.
    top = scores.max(initial=-np.inf)
    visible = (scores > _MASKED) | (scores >= -10 * max(top, 0.0))
    visible &= np.isfinite(scores)
    counts = visible.sum(axis=-1)
    used = counts >= _FEW_KEYS
    if not used.any() or not np.isfinite(top):
        return None
    scores, visible, counts = scores[used], visible[used], counts[used]
    shown = np.where(visible, scores, -np.inf)
    exponents = np.exp(shown - shown.max(axis=-1, keepdims=True))
    largest = 1 / exponents.sum(axis=-1)
    means = np.where(visible, scores, 0).sum(axis=-1) / counts
    squares = np.where(visible, scores - means[:, None], 0) ** 2
    deviations = np.sqrt(squares.sum(axis=-1) / counts)
    return float(counts.mean()), float(largest.mean()), float(deviations.mean())
