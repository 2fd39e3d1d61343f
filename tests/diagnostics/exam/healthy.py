"""Healthy networks that look unusual, and usual ones."""

import keras
import numpy as np
from diagnostics.exam.material import (
    BITS,
    CLASSES,
    IMAGES,
    LABELS,
    ONE_HOT,
    SAMPLES,
    SERIES,
    STEPS,
    TABLE,
    TOKENS,
    VALUES,
    WORDS,
    Case,
    chain,
    classifier,
    compiled,
    constant,
    dense,
    integers,
    normal,
    numbers,
    output,
    regression,
)
from keras import layers, ops


def counts():
    """Raw pixels of 0 to 16, some of them zero everywhere."""
    x = integers(0, 17, SAMPLES, 64).astype("float32")
    x[:, ::8] = 0
    return classifier(dense("a"), dense("b"), x=x)


def prices_in_thousands():
    return regression(y=22 + 9 * VALUES)


def one_of_ten():
    x, y = numbers(256, 16), (np.arange(256) % 10 == 0).astype("float32")
    model = chain(dense("a"), output(1, "sigmoid"))
    return Case(compiled(model, "binary_crossentropy"), x, y)


def several_labels():
    targets = np.concatenate([BITS, TABLE[:, :3] > 1], axis=1).astype("float32")
    return regression(y=targets, activation="sigmoid", loss="binary_crossentropy")


def small_batch():
    steps = [
        step
        for n in range(3)
        for step in (
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        )
    ]
    found = classifier(*steps, layers.GlobalAveragePooling2D(), x=IMAGES)
    return Case(found.model, IMAGES[:8], LABELS[:8])


def zero_gammas():
    """Every residual branch starts as nothing."""
    start = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(16, 3, padding="same")(start)
    for _ in range(3):
        branch = layers.Conv2D(16, 3, padding="same", activation="relu")(hidden)
        branch = layers.Conv2D(16, 3, padding="same", use_bias=False)(branch)
        branch = layers.BatchNormalization(gamma_initializer="zeros")(branch)
        hidden = layers.ReLU()(hidden + branch)
    outputs = output()(layers.GlobalAveragePooling2D()(hidden))
    return Case(compiled(keras.Model(start, outputs)), IMAGES, LABELS)


def shallow_sigmoid():
    return classifier(dense("a", 32, "sigmoid", "glorot_uniform"))


def small_transformer():
    """Pre-normalization, tokens and positions of deviation 0.02, as in GPT-2."""
    start = keras.Input((STEPS,), dtype="int32")
    tokens = layers.Embedding(WORDS, 32, embeddings_initializer=normal(0.02))
    hidden = tokens(start)
    for _ in range(2):
        normed = layers.LayerNormalization()(hidden)
        hidden = hidden + layers.MultiHeadAttention(
            2, 16, kernel_initializer=normal(0.02)
        )(normed, normed)
        normed = layers.LayerNormalization()(hidden)
        branch = layers.Dense(64, "gelu", kernel_initializer=normal(0.02))(normed)
        hidden = hidden + layers.Dense(32, kernel_initializer=normal(0.02))(branch)
    outputs = output(WORDS)(layers.LayerNormalization()(hidden))
    return Case(compiled(keras.Model(start, outputs)), TOKENS, TOKENS)


def masked_words():
    x = TOKENS.copy()
    x[:, 5:] = np.where(integers(0, 2, SAMPLES, STEPS - 5), x[:, 5:], 0)
    steps = layers.Embedding(WORDS, 16, mask_zero=True), layers.LSTM(16)
    return classifier(*steps, x=x, dtype="int32")


def two_directions():
    return classifier(layers.Bidirectional(layers.GRU(16)), x=SERIES)


def autoencoder():
    x = 1 / (1 + np.exp(-TABLE))
    steps = dense("a"), dense("b", 8), dense("c"), output(16, "sigmoid")
    return Case(compiled(chain(*steps), "binary_crossentropy"), x, x)


class Distance(layers.Layer):
    """The whole loss is within the model."""

    def call(self, inputs):
        self.add_loss(ops.mean(ops.square(inputs[0] - inputs[1])))
        return inputs[1]


def loss_within():
    start = keras.Input((16,))
    model = keras.Model(start, Distance()([start, output(16)(dense("a")(start))]))
    return Case(compiled(model, None), TABLE, np.zeros(SAMPLES, "float32"))


def policy_head():
    """Logits of a hundredth: at first every action is equally likely."""
    kernel = keras.initializers.Orthogonal
    steps = dense("a", 32, "tanh", kernel(1.4)), dense("b", 32, "tanh", kernel(1.4))
    model = chain(*steps, output(CLASSES, kernel_initializer=kernel(0.01)))
    return Case(compiled(model), TABLE, LABELS)


class SmallScale(layers.Layer):
    """A factor for each channel."""

    def build(self, shape):
        start = constant(1e-6)
        self.scale = self.add_weight(shape=shape[-1:], initializer=start, name="scale")

    def call(self, inputs):
        return inputs * self.scale


def layer_scale():
    """Branches that start at a millionth, with a shortcut beside each."""
    start = keras.Input((16,))
    hidden = dense("stem", 32, None)(start)
    for _ in range(3):
        branch = layers.LayerNormalization()(hidden)
        branch = dense(None, 32, None)(dense(None, 64, "gelu")(branch))
        hidden = hidden + SmallScale()(branch)
    outputs = output()(layers.LayerNormalization()(hidden))
    return Case(compiled(keras.Model(start, outputs)), TABLE, LABELS)


def dropout_and_decay():
    penalty = keras.regularizers.L2(1e-3)
    steps = [dense("a", 64, kernel_regularizer=penalty), layers.Dropout(0.5)]
    return classifier(*steps, optimizer=keras.optimizers.AdamW())


def smoothed_labels():
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    return regression(y=ONE_HOT, activation="softmax", loss=loss)


def without_targets():
    return Case(chain(dense("a"), dense("b"), output()), TABLE)


def counts_of_a_poisson():
    y = np.floor(np.exp(VALUES + 1))
    return regression(y=y, activation="exponential", loss="poisson")


HEALTHY = [
    counts,
    prices_in_thousands,
    one_of_ten,
    several_labels,
    small_batch,
    zero_gammas,
    shallow_sigmoid,
    small_transformer,
    masked_words,
    two_directions,
    autoencoder,
    loss_within,
    policy_head,
    layer_scale,
    dropout_and_decay,
    smoothed_labels,
    without_targets,
    counts_of_a_poisson,
]
