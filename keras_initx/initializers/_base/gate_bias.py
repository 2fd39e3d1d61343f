"""The bias of a recurrent layer: which shapes it has, and where its gates stand.

Keras puts the gates of an LSTM in the order input, forget, cell, output, and those of a
GRU in the order update, reset, candidate. Its GRU keeps `z` times the old state, so its
update gate is what the forget gate is for an LSTM. A GRU with `reset_after=True`, which
is the default, has two biases, of shape `(2, 3 * units)`. For the update gate they are
added, so one of them is enough.
"""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._keras import is_of_keras, layer_being_built
from keras_initx._kernel.arrays import namespace

LAYERS = ("lstm", "gru")
_NAMES = {"lstm": "an LSTM", "gru": "a GRU"}
_GATES = {"lstm": 4, "gru": 3}
_SHAPES = {
    "lstm": "(4 * units,)",
    "gru": "(3 * units,), or (2, 3 * units) with `reset_after=True`",
}


def units_of_bias(owner: str, layer: str, shape: tuple[int, ...]) -> int:
    """The number of units of the layer that has this bias.

    Raises:
        ValueError: If it is the bias of another layer, a part of a bias, or a kernel.
    """
    _check_layer(owner, layer, layer_being_built())
    fits = len(shape) == 1 or (layer == "gru" and len(shape) == 2 and shape[0] == 2)
    if not fits or shape[-1] % _GATES[layer]:
        raise _validate.error(
            owner,
            f"the bias of {_NAMES[layer]}, of shape {_SHAPES[layer]} (layer={layer!r})",
            f"shape={shape}",
            "Pass it as `bias_initializer`. An LSTM also needs "
            "`unit_forget_bias=False`."
            if layer == "lstm"
            else "Pass it as `bias_initializer`; for an LSTM with layer='lstm'.",
        )
    return shape[-1] // _GATES[layer]


def gate_bias(
    layer: str, shape: tuple[int, ...], keep: Any, write: Any | None = None
) -> Any:
    """The bias with `keep` for the gate that keeps the state, elsewhere 0.

    Args:
        layer: str. `"lstm"` or `"gru"`.
        shape: tuple of int. That of the bias.
        keep: Of shape `(units,)`. For the forget gate of an LSTM, or the update gate of
            a GRU.
        write: Of shape `(units,)`, or None for 0. For the input gate of an LSTM. A GRU
            writes 1 - z times the new state by itself.
    """
    xp = namespace(keep)
    zero = xp.zeros_like(keep)
    if layer == "lstm":
        return xp.concatenate([zero if write is None else write, keep, zero, zero])
    row = xp.concatenate([keep, zero, zero])
    return row if len(shape) == 1 else xp.stack([row, xp.zeros_like(row)])


def _check_layer(owner: str, layer: str, built: keras.layers.Layer | None) -> None:
    """Raises if Keras is building a layer of another kind, or asks for half a bias."""
    kind = None if built is None else _kind(built)
    if built is None or kind is None:
        return
    if kind != layer:
        raise _validate.error(
            owner,
            f"the bias of {_NAMES[layer]} (layer={layer!r})",
            f"the bias of a {type(built).__name__}",
            f"Pass layer={kind!r}."
            if kind in LAYERS
            else "Only an LSTM and a GRU have gates.",
        )
    if getattr(built, "unit_forget_bias", False):
        raise _validate.error(
            owner,
            "the whole bias of an LSTM",
            f"a part of it, because the {type(built).__name__} has "
            "`unit_forget_bias=True`",
            "Set `unit_forget_bias=False`, which is not the default.",
        )


def _kind(layer: keras.layers.Layer) -> str | None:
    """`"lstm"`, `"gru"`, `"other"` for a layer without gates; None if unknown."""
    if hasattr(layer, "unit_forget_bias"):
        return "lstm"
    if isinstance(layer, keras.layers.GRUCell):
        return "gru"
    return "other" if is_of_keras(layer) else None
