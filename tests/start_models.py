"""Small models of many kinds, for the tests of `warm_start`."""

import functools

import keras
import numpy as np
from catalogue import to_numpy
from keras import layers, ops


class Numbers(keras.initializers.Initializer):
    """Numbers of NumPy: JAX would compile a program for each shape."""

    def __call__(self, shape, dtype=None):
        return np.random.default_rng(len(shape)).normal(size=shape) * 0.1


def quickly_built(make):
    """The function, whose models draw no random numbers of the backend."""

    @functools.wraps(make)
    def made(*arguments, **keywords):
        names = ("glorot_uniform", "orthogonal", "uniform", "Numbers")
        with keras.saving.custom_object_scope(dict.fromkeys(names, Numbers)):
            return make(*arguments, **keywords)

    return made


def randomized(model, seed=0):
    """The model with random numbers in every weight, of usual sizes."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.normal(size=weight.shape) * 0.3
        if "gamma" in weight.path or "variance" in weight.path:
            value = 0.5 + np.abs(value)
        weight.assign(value)
    return model


def weights_of(model):
    return {weight.path: to_numpy(weight).copy() for weight in model.weights}


def samples(model, seed=1):
    """Two samples for each input of the model."""
    random = np.random.default_rng(seed)

    def drawn(tensor):
        shape = (2, *tensor.shape[1:])
        if "int" in keras.backend.standardize_dtype(tensor.dtype):
            return random.integers(0, 5, shape).astype("int32")
        return random.normal(size=shape).astype("float32")

    return keras.tree.map_structure(drawn, model.input)


def outputs(model, inputs):
    return to_numpy(model(inputs, training=False))


@quickly_built
def chain(width=6, classes=3):
    inputs = keras.Input((5,))
    x = layers.Dense(width, "tanh")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.PReLU()(x)
    return keras.Model(inputs, layers.Dense(classes)(layers.Dense(2 * width)(x)))


@quickly_built
def convolutions(width=4, channels=3, depth=2, classes=3):
    """Pre-activated residual blocks, a separable one, and a flattened end."""
    inputs = keras.Input((6, 6, channels))
    x = layers.Conv2D(width, 3, padding="same")(inputs)
    for _ in range(depth):
        h = layers.ReLU()(layers.BatchNormalization()(x))
        h = layers.Conv2D(2 * width, 3, padding="same")(h)
        h = layers.ReLU()(layers.BatchNormalization()(h))
        x = layers.Add()([x, layers.Conv2D(width, 3, padding="same")(h)])
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.SeparableConv2D(width, 2)(x)
    x = layers.Conv2DTranspose(width, 2)(x)
    return keras.Model(inputs, layers.Dense(classes)(layers.Flatten()(x)))


@quickly_built
def dense_blocks(width=4):
    """Concatenations, and a gate of squeeze-and-excitation."""
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(width, 3, padding="same")(inputs)
    y = layers.Conv2D(2 * width, 3, padding="same", activation="relu")(x)
    x = layers.Concatenate()([x, y])
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Dense(width, "relu")(s)
    x = x * layers.Dense(3 * width, "sigmoid")(s)
    x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


@quickly_built
def recurrent(width=3):
    inputs = keras.Input((4, 2))
    x = layers.LSTM(width, return_sequences=True)(inputs)
    x = layers.Bidirectional(layers.GRU(2 * width, return_sequences=True))(x)
    x = layers.GRU(width, reset_after=False, return_sequences=True)(x)
    return keras.Model(inputs, layers.Dense(2)(layers.SimpleRNN(width)(x)))


class Words(layers.Layer):
    """The sum of embeddings of words and of positions, as in GPT-2."""

    def __init__(self, words, steps, width, **arguments):
        super().__init__(**arguments)
        self.words = layers.Embedding(words, width, name="words")
        self.positions = layers.Embedding(steps, width, name="positions")

    def build(self, shape):
        self.words.build(shape)
        self.positions.build(shape)

    def call(self, x):
        return self.words(x) + self.positions(ops.arange(x.shape[-1]))


@quickly_built
def transformer(
    width=8, heads=2, key_dim=4, hidden=12, depth=2, words=9, steps=5, classes=3
):
    """Pre-normalized, with tables of words and of positions."""
    inputs = keras.Input((steps,), dtype="int32")
    x = Words(words, steps, width, name="embedding")(inputs)
    for _ in range(depth):
        h = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(heads, key_dim)(h, h)
        h = layers.LayerNormalization()(x)
        x = x + layers.Dense(width)(layers.Dense(hidden, "gelu")(h))
    x = layers.LayerNormalization()(x)
    return keras.Model(inputs, layers.Dense(classes)(x[:, 0]))


class Block(layers.Layer):
    """A residual block as people write it."""

    def __init__(self, hidden, **arguments):
        super().__init__(**arguments)
        self.up = layers.Dense(hidden, "relu")
        self.more = [layers.Dense(hidden), [layers.Dense(hidden, name="named")]]
        self.hidden = hidden

    def build(self, shape):
        self.down = layers.Dense(shape[-1])
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        inner = (*shape[:-1], self.hidden)
        self.up.build(shape)
        self.more[0].build(inner)
        self.more[1][0].build(inner)
        self.down.build(inner)

    def call(self, x):
        h = self.more[1][0](self.more[0](self.up(x)))
        return x + self.scale * self.down(h)


class Subclassed(keras.Model):
    """A model without symbolic inputs."""

    def __init__(self, hidden=6, depth=2, classes=3):
        super().__init__()
        self.blocks = [Block(hidden, name=f"block_{n}") for n in range(depth)]
        self.head = layers.Dense(classes)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@quickly_built
def subclassed(**arguments):
    model = Subclassed(**arguments)
    model(np.zeros((2, 4), "float32"))
    return model


class PostNormalized(layers.Layer):
    """A block of BERT: the normalizations stand after the additions."""

    def __init__(self, width, heads, key_dim, hidden, **arguments):
        super().__init__(**arguments)
        self.attention = layers.MultiHeadAttention(heads, key_dim)
        self.hidden = keras.Sequential(
            [layers.Dense(hidden, "relu"), layers.Dense(width)]
        )
        self.first, self.second = (layers.LayerNormalization() for _ in range(2))
        self.dropout = layers.Dropout(0.1)

    def call(self, x, training=None):
        h = self.dropout(self.attention(x, x), training=training)
        x = self.first(x + h)
        return self.second(x + self.dropout(self.hidden(x), training=training))


@quickly_built
def post_normalized(width=8, heads=2, key_dim=4, hidden=12, depth=2):
    inputs = keras.Input((5,), dtype="int32")
    x = Words(9, 5, width)(inputs)
    for _ in range(depth):
        x = PostNormalized(width, heads, key_dim, hidden)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@quickly_built
def grouped_queries(width=8, key_dim=4):
    inputs = keras.Input((5, 4))
    x = layers.Dense(width)(inputs)
    h = layers.RMSNormalization()(x)
    x = x + layers.GroupQueryAttention(key_dim, 4, 2)(h, h)
    return keras.Model(inputs, layers.Dense(2)(x))


@quickly_built
def tied(width=4, words=7):
    """A language model whose table is its output too."""
    inputs = keras.Input((3,), dtype="int32")
    table = layers.ReversibleEmbedding(words, width, name="table")
    x = table(inputs)
    x = x + layers.Dense(width)(layers.Dense(2 * width, "relu", name="up")(x))
    return keras.Model(inputs, table(x, reverse=True))


@quickly_built
def nested(width=6):
    """A Sequential one in a Functional one, and layers with names of their own."""
    inner = keras.Sequential(
        [layers.Input((4,)), layers.Dense(width, "relu"), layers.Dense(width)],
        name="inner",
    )
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2, name="head")(inner(inputs)))
