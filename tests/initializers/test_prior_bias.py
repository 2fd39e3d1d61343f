"""The bias of an output layer, from probabilities and from labels."""

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops

from keras_initx.initializers import PriorBias

P = [0.5, 0.3, 0.15, 0.05]
LABELS = np.repeat(np.arange(4), [10, 6, 3, 1])


def softmax(bias):
    powers = np.exp(bias)
    return powers / powers.sum()


def sigmoid(bias):
    return 1 / (1 + np.exp(-bias))


def bias_of(initializer, outputs):
    return to_numpy(initializer((outputs,)))


# From probabilities


def test_softmax_of_the_bias_is_the_prior():
    np.testing.assert_allclose(softmax(bias_of(PriorBias(P), 4)), P, rtol=1e-6)


def test_sigmoid_of_the_bias_is_the_prior():
    p = [0.5, 0.9, 0.001, 0.2]
    bias = bias_of(PriorBias(p, "sigmoid"), 4)
    np.testing.assert_allclose(sigmoid(bias), p, rtol=1e-6)


def test_one_probability_holds_for_all_outputs():
    bias = bias_of(PriorBias(0.01, "sigmoid"), 5)
    np.testing.assert_allclose(sigmoid(bias), 0.01, rtol=1e-6)


def test_the_bias_of_a_regression_is_the_mean():
    assert bias_of(PriorBias([2.5, -1.0], "linear"), 2).tolist() == [2.5, -1.0]


def test_probabilities_of_float32_are_normalized():
    p = np.random.default_rng(0).random(1000).astype("float32")
    p /= p.sum()
    bias = bias_of(PriorBias(p), 1000)
    assert np.exp(bias).sum() == pytest.approx(1, rel=1e-6)


def test_the_loss_starts_at_the_entropy():
    """Of a network whose last kernel is zero: it cannot do better without inputs."""
    initializer = PriorBias.from_labels(LABELS)
    layer = layers.Dense(4, kernel_initializer="zeros", bias_initializer=initializer)
    logits = layer(np.ones((len(LABELS), 3), "float32"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    entropy = -np.sum(P * np.log(P))
    assert float(to_numpy(loss(LABELS, logits))) == pytest.approx(entropy, rel=1e-5)


# From labels


ONE_HOT = np.eye(4)[LABELS]


@pytest.mark.parametrize(
    "y",
    [
        LABELS,
        LABELS.tolist(),
        LABELS.reshape(-1, 1),
        LABELS.reshape(4, 5),
        LABELS.astype("float32"),
        ONE_HOT,
        ONE_HOT.reshape(4, 5, 4),
        ops.convert_to_tensor(LABELS.astype("int32")),
    ],
    ids=range(8),
)
def test_the_frequencies_of_classes(y):
    assert PriorBias.from_labels(y).probabilities == pytest.approx(P)


def test_probabilities_as_labels_are_averaged():
    y = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert PriorBias.from_labels(y).probabilities == pytest.approx([0.7, 0.3])


def test_a_class_that_does_not_occur_is_counted_once():
    found = PriorBias.from_labels(LABELS, classes=5).probabilities
    assert found == pytest.approx([11 / 25, 7 / 25, 4 / 25, 2 / 25, 1 / 25])


def test_smoothing_counts_more_samples():
    found = PriorBias.from_labels(LABELS, smoothing=5).probabilities
    assert found == pytest.approx([15 / 40, 11 / 40, 8 / 40, 6 / 40])


def test_labels_of_one_sigmoid():
    initializer = PriorBias.from_labels([1, 0, 0, 0], "sigmoid")
    assert initializer.probabilities == 0.25
    assert sigmoid(bias_of(initializer, 1)) == pytest.approx(0.25)


def test_labels_that_do_not_exclude_each_other():
    y = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 1, 0]])
    initializer = PriorBias.from_labels(y, "sigmoid")
    assert initializer.probabilities == pytest.approx([0.75, 0.75, 0.25])


def test_a_label_that_always_holds_is_smoothed():
    y = np.array([[1, 1], [1, 0]])
    initializer = PriorBias.from_labels(y, "sigmoid")
    assert initializer.probabilities == pytest.approx([3 / 4, 2 / 4])


def test_the_means_of_targets():
    y = np.array([[1.0, -2.0], [2.0, 4.0]])
    assert PriorBias.from_labels(y, "linear").probabilities == [1.5, 1.0]
    assert PriorBias.from_labels([1.0, 2.0], "linear").probabilities == 1.5


def test_a_layer_starts_with_the_prior_and_comes_back(tmp_path):
    initializer = PriorBias.from_labels(LABELS)
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, "softmax", bias_initializer=initializer)]
    )
    file = tmp_path / "model.keras"
    model.save(file)
    again = keras.models.load_model(file).layers[0]
    assert again.bias_initializer.get_config() == initializer.get_config()


# What is refused


def of(value):
    return f"Received: probabilities={value!r}."


@pytest.mark.parametrize(
    ("value", "activation", "message"),
    [
        (
            [0.5, 0.4],
            "softmax",
            "probabilities that sum to 1 with activation='softmax', not to 0.9. "
            f"{of([0.5, 0.4])} Pass the frequency of each class, or "
            "activation='sigmoid' if the classes do not exclude each other.",
        ),
        (
            [0.5, 0.5, 0.0],
            "softmax",
            f"probabilities above 0. {of([0.5, 0.5, 0.0])} Pass a small number such as "
            "1e-6 for a class that does not occur, or call `PriorBias.from_labels`.",
        ),
        (
            [0.5, 1.0],
            "sigmoid",
            "probabilities between 0 and 1, both excluded. "
            f"{of([0.5, 1.0])} Pass a small number such as 1e-6 for a class that does "
            "not occur, or call `PriorBias.from_labels`.",
        ),
        (
            "0.5",
            "sigmoid",
            f"a finite number for each output. {of('0.5')} Pass a list of floats.",
        ),
        (
            [],
            "softmax",
            f"a finite number for each output. {of([])} Pass a list of floats.",
        ),
        (
            [[0.5, 0.5]],
            "softmax",
            "a finite number for each output. "
            f"{of([[0.5, 0.5]])} Pass a list of floats.",
        ),
        (
            None,
            "linear",
            f"a finite number for each output. {of(None)} Pass a list of floats.",
        ),
    ],
)
def test_wrong_probabilities_are_refused(value, activation, message):
    with refuses(f"`PriorBias` needs {message}"):
        PriorBias(value, activation)


@pytest.mark.parametrize(
    ("y", "arguments", "message"),
    [
        (
            [],
            {},
            "targets that are finite numbers, and at least one. Received: y of shape "
            "(0,). Pass the targets of the training data.",
        ),
        (
            [0.5, 1.5],
            {},
            "the numbers of the classes, from 0, or one-hot vectors. Received: y of "
            "shape (2,) from 0.5 to 1.5. Pass activation='linear' for regression.",
        ),
        (
            [-1, 2],
            {},
            "the numbers of the classes, from 0, or one-hot vectors. Received: y of "
            "shape (2,) from -1 to 2. Pass activation='linear' for regression.",
        ),
        (
            [0, 3],
            {"classes": 3},
            "`classes` to be larger than each number of a class. Received: classes=3, "
            "y with 3. The classes are numbered from 0.",
        ),
        (
            [0, 2],
            {"activation": "sigmoid"},
            "targets between 0 and 1 with activation='sigmoid'. Received: y from 0 to "
            "2. Pass zeros and ones, or activation='softmax' for numbers of classes.",
        ),
        (
            [0, 1],
            {"smoothing": -1},
            "`smoothing` to be a finite number of at least 0. Received: smoothing=-1. "
            "Pass a float, for example 0.0.",
        ),
    ],
)
def test_wrong_labels_are_refused(y, arguments, message):
    with refuses(f"`PriorBias.from_labels` needs {message}"):
        PriorBias.from_labels(np.array(y), **arguments)


def test_an_unknown_activation_is_refused():
    message = (
        "`PriorBias` needs a known `activation`. Received: activation='tanh'. Choose "
        "one of: 'softmax', 'sigmoid', 'linear'."
    )
    with refuses(message):
        PriorBias(P, "tanh")
