"""Faults of the outputs and the loss."""

import keras
from diagnostics.exam.material import (
    BITS,
    CLASSES,
    IMAGES,
    LABELS,
    ONE_HOT,
    OUT,
    SERIES,
    STEPS,
    TABLE,
    VALUES,
    Case,
    Fault,
    chain,
    classifier,
    compiled,
    dense,
    output,
    regression,
)
from keras import layers


def probabilities_given_as_logits(activation="softmax"):
    steps = (layers.LSTM(16, name="a"), output(CLASSES, activation))
    return Case(compiled(chain(*steps, inputs=(STEPS, 4))), SERIES, LABELS)


def logits_given_as_probabilities(activation=None):
    model = chain(dense("a"), output(CLASSES, activation))
    return Case(compiled(model, "categorical_crossentropy"), TABLE, ONE_HOT)


def logit_given_as_probability(from_logits=False):
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
    return regression(y=BITS, loss=loss)


def two_softmaxes(activation="softmax"):
    steps = (
        layers.Flatten(),
        dense("a"),
        output(CLASSES, activation),
        layers.Activation("softmax", name="again"),
    )
    model = chain(*steps, inputs=(8, 8, 3))
    return Case(compiled(model, "sparse_categorical_crossentropy"), IMAGES, LABELS)


def sigmoid_of_exclusive_classes(activation="sigmoid"):
    model = chain(dense("a"), output(CLASSES, activation))
    return Case(model, TABLE, ONE_HOT, "categorical_crossentropy")


def softmax_over_one_unit(activation="softmax"):
    return regression(y=BITS, activation=activation, loss="binary_crossentropy")


def labels_against_columns(classes=True):
    """Class numbers, and a squared error for each of four outputs."""
    if classes:
        model = compiled(chain(dense("a"), output()), "mse")
        return Case(model, TABLE, LABELS[:, None].astype("float32"))
    return regression(y=ONE_HOT)


def every_step_against_one_value(return_sequences=True):
    recurrent = layers.GRU(16, return_sequences=return_sequences, name="a")
    model = chain(recurrent, output(1), inputs=(STEPS, 4))
    return Case(compiled(model, "mse"), SERIES, VALUES)


def cosines_times_5000(scale=5000.0):
    steps = (dense("a"), layers.UnitNormalization(), output())
    model = chain(*steps, layers.Rescaling(scale, name="scale"))
    return Case(compiled(model), TABLE, LABELS)


def l1_of_one(strength=1.0):
    penalty = keras.regularizers.L1(strength)
    return classifier(dense("a", 64, kernel_regularizer=penalty))


FAULTS = [
    Fault(
        probabilities_given_as_logits,
        "probabilities_as_logits",
        OUT,
        {"activation": None},
    ),
    Fault(
        logits_given_as_probabilities,
        "logits_as_probabilities",
        OUT,
        {"activation": "softmax"},
    ),
    Fault(
        logit_given_as_probability,
        "logits_as_probabilities",
        OUT,
        {"from_logits": True},
    ),
    Fault(two_softmaxes, "double_softmax", f"{OUT}, again", {"activation": None}),
    Fault(
        sigmoid_of_exclusive_classes,
        "exclusive_sigmoid",
        OUT,
        {"activation": "softmax"},
    ),
    Fault(
        softmax_over_one_unit,
        "constant_output, unreachable_targets",
        OUT,
        {"activation": "sigmoid"},
    ),
    Fault(labels_against_columns, "broadcast_targets", OUT, {"classes": False}),
    Fault(
        every_step_against_one_value,
        "broadcast_targets",
        OUT,
        {"return_sequences": False},
    ),
    Fault(cosines_times_5000, "large_logits", f"{OUT}, scale", {"scale": 10.0}),
    Fault(l1_of_one, "dominant_regularization", "a, -", {"strength": 1e-5}),
]
