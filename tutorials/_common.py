"""What the tutorials share: the data, and a network that can be trained again.

Import it before Keras: it also sets the environment.
"""

import os

# Threads gain nothing in layers this small, and on a busy machine PyTorch's threads
# spend their time waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where TensorFlow is installed, importing Keras on any backend prints its log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BATCH_SIZE = 50


def load_data():
    """1500 images for training and 250 for testing, both a whole number of batches."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, train_size=1500, test_size=250, stratify=labels, random_state=0
    )
    mean, stddev = x_train.mean(), x_train.std()
    return (x_train - mean) / stddev, y_train, (x_test - mean) / stddev, y_test


def compile_network(network):
    """Makes it a classifier that SGD trains; `restart` sets the learning rate."""
    network.compile(
        keras.optimizers.SGD(momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    # TensorFlow traces the training step twice if that step has to make variables.
    network.optimizer.build(network.trainable_variables)


def restart(network, weights, learning_rate):
    """Takes the network back to the beginning of its training.

    So deep a network takes long to compile: put it back, do not build it again.
    """
    network.set_weights(weights)
    for variable in network.optimizer.variables:
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
    network.optimizer.learning_rate = learning_rate


def fit(network, data, epochs, callbacks=()):
    """Trains, and returns the history, with the test accuracy after each epoch."""
    x_train, y_train, x_test, y_test = data
    return network.fit(
        x_train,
        y_train,
        BATCH_SIZE,
        epochs,
        verbose=0,
        callbacks=list(callbacks),
        validation_data=(x_test, y_test),
        validation_batch_size=BATCH_SIZE,
    ).history
