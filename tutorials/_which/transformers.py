"""Transformers that read digits row by row, and attention."""

import dataclasses

import keras
import numpy as np
from _which.data import ROWS as DIGITS
from _which.row import Control, Row
from keras.layers import (
    Dense,
    GlobalAveragePooling1D,
    LayerNormalization,
    MultiHeadAttention,
)

from keras_initx.layers import Scale


def positions(width):
    """Sines and cosines of each position, of shape (8, width)."""
    angles = np.arange(8)[:, None] / 1e2 ** (np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype("float32")


def transformer(norm, depth=4, width=32, **arguments):
    """Eight words of eight pixels; `norm` is "pre", "post" or None."""
    inputs = keras.Input((8, 8))
    x = Dense(width)(inputs) + positions(width)
    for _ in range(depth):
        attention = MultiHeadAttention(2, width // 2, **arguments)
        h = LayerNormalization()(x) if norm == "pre" else x
        x = Scale()(x) + attention(h, h)
        h = x = LayerNormalization()(x) if norm == "post" else x
        h = LayerNormalization()(h) if norm == "pre" else h
        h = Dense(4 * width, "gelu", **arguments)(h)
        x = Scale()(x) + Dense(width, **arguments)(h)
        x = LayerNormalization()(x) if norm == "post" else x
    x = LayerNormalization()(x) if norm == "pre" else x
    return keras.Model(inputs, Dense(10)(GlobalAveragePooling1D()(x)))


def attention(**arguments):
    """One attention over the rows, between two dense layers."""
    inputs = keras.Input((8, 8))
    x = Dense(32, "relu")(inputs) + positions(32)
    x = MultiHeadAttention(4, 8, **arguments)(x, x)
    return keras.Model(inputs, Dense(10)(keras.layers.Flatten()(x)))


FEW = dataclasses.replace(DIGITS, epochs=3)
SHALLOW = "With 1 block Keras's default gets {default}, and the line {line}."
ROWS = [
    Row(
        name="transformer-pre-norm",
        network="Pre-norm transformer, 4 blocks",
        activation="GELU",
        build=transformer,
        task=FEW,
        lines=(
            'keras_initx.depth_scale(model, "gpt2")',
            'keras_initx.reinitialize(model, like="gpt2")',
        ),
        tutorial="fixup",
        not_when="The rule is made for dozens of blocks.",
        size={"norm": "pre"},
        small={"depth": 1},
    ),
    Row(
        name="transformer-post-norm",
        network="Post-norm transformer, 12 blocks",
        activation="GELU",
        build=transformer,
        task=dataclasses.replace(FEW, rates=(1e-4, 3e-4, 1e-3)),
        lines=(
            'keras_initx.depth_scale(model, "deepnorm")',
            'keras_initx.depth_scale(model, "admin", x)',
        ),
        tutorial="fixup",
        not_when=SHALLOW,
        size={"norm": "post", "depth": 12},
        small={"depth": 1},
        control=Control("1 block", {"norm": "post", "depth": 1}),
    ),
    Row(
        name="transformer-unnormalized",
        network="Transformer without normalization, 8 blocks",
        activation="GELU",
        build=transformer,
        task=dataclasses.replace(FEW, rates=(1e-4, 3e-4, 1e-3)),
        lines=(
            "keras_initx.t_fixup(model)",
            "keras_initx.fixup(model)",
        ),
        tutorial="fixup",
        not_when=SHALLOW,
        size={"norm": None, "depth": 8},
        small={"depth": 1},
        control=Control("1 block", {"norm": None, "depth": 1}),
    ),
    Row(
        name="attention",
        network="One attention layer, 4 heads",
        activation="softmax",
        build=attention,
        task=FEW,
        lines=(
            'kernel_initializer="haar_orthogonal"',
            'kernel_initializer="he_normal"',
        ),
        tutorial="write_your_own",
        not_when="One layer does not need it: its fans are right in Keras since 3.15.",
    ),
]
