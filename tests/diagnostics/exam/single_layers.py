"""Faults of single layers."""

import keras
import numpy as np
from diagnostics.exam.material import (
    FEATURES,
    LABELS,
    SERIES,
    STEPS,
    TABLE,
    TOKENS,
    WORDS,
    Case,
    Fault,
    classifier,
    compiled,
    constant,
    dense,
    normal,
    output,
)
from keras import layers, ops


def shifted_below_zero(beta=-6.0):
    shifted = layers.BatchNormalization(name="shift", beta_initializer=constant(beta))
    rectifier = layers.ReLU(name="rectifier")
    return classifier(dense("a", 32, None), shifted, rectifier)


def tanh_of_large(deviation=3.0):
    return classifier(dense("a", 32, "tanh", normal(deviation)), dense("b"))


def dropout_of_98_percent(rate=0.98):
    return classifier(layers.Dropout(rate, name="noise"), dense("a"))


def one_channel_normalized(units=1):
    steps = dense("a", units, None), layers.LayerNormalization(name="norm"), dense("b")
    return classifier(*steps)


def embeddings_of_50(deviation=50.0):
    embedding = layers.Embedding(
        WORDS, 16, embeddings_initializer=normal(deviation), name="embedding"
    )
    recurrent = layers.GRU(16, name="a", reset_after=False)
    return classifier(embedding, recurrent, x=TOKENS, dtype="int32")


class Waves(layers.Layer):
    """Adds the sine and the cosine of the position."""

    def call(self, inputs):
        position = np.arange(STEPS)[:, None] / 100.0 ** np.linspace(0, 1, 8)
        waves = np.concatenate([np.sin(position), np.cos(position)], axis=1)
        return inputs + ops.convert_to_tensor(waves.astype("float32"))


def waves_over_small_tokens(deviation=1e-3):
    start = keras.Input((STEPS,), dtype="int32")
    embedding = layers.Embedding(
        WORDS, 16, embeddings_initializer=normal(deviation), name="embedding"
    )
    hidden = Waves(name="waves")(embedding(start))
    hidden = hidden + layers.MultiHeadAttention(2, 8, name="mha")(hidden, hidden)
    pooled = layers.GlobalAveragePooling1D()(hidden)
    return Case(compiled(keras.Model(start, output()(pooled))), TOKENS, LABELS)


def products_of_256_numbers(use_scale=False):
    """Attention whose scores nobody divides by the root of the dimension."""
    start = keras.Input((STEPS, 4))
    hidden = layers.LayerNormalization()(dense("embedding", 256, None)(start))
    query = dense("query", 256, None, "lecun_normal")(hidden)
    if use_scale:
        query = layers.Rescaling(1 / 16)(query)
    key = dense("key", 256, None, "lecun_normal")(hidden)
    hidden = layers.Attention(name="attention")([query, hidden, key])
    pooled = layers.GlobalAveragePooling1D()(hidden)
    return Case(compiled(keras.Model(start, output()(pooled))), SERIES, LABELS)


def loud_branch(deviation=500.0):
    start = keras.Input((FEATURES,))
    quiet = dense("quiet", 32)(start)
    loud = dense("loud", 32, None, normal(deviation))(start)
    hidden = layers.Concatenate(name="both")([quiet, loud])
    hidden = layers.LayerNormalization(name="norm")(hidden)
    return Case(compiled(keras.Model(start, output()(hidden))), TABLE, LABELS)


FAULTS = [
    Fault(shifted_below_zero, "dead_units", "shift, rectifier", {"beta": 0.0}),
    Fault(tanh_of_large, "saturated_units", "a", {"deviation": 0.25}),
    Fault(dropout_of_98_percent, "strong_noise", "noise", {"rate": 0.2}),
    Fault(one_channel_normalized, "normalization_of_one", "norm", {"units": 32}),
    Fault(embeddings_of_50, "large_embeddings", "embedding", {"deviation": 0.05}),
    Fault(
        waves_over_small_tokens,
        "drowned_tokens",
        "waves, embedding",
        {"deviation": 0.7},
    ),
    Fault(
        products_of_256_numbers,
        "one_hot_attention",
        "attention",
        {"use_scale": True},
    ),
    Fault(loud_branch, "drowned_branch", "both, loud, quiet", {"deviation": 0.35}),
]
