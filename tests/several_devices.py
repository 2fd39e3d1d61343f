"""The beginning of scripts that run on several devices."""

# Processes of their own, because the number of devices is fixed when a backend starts.
COMMON = """
import contextlib, json, sys, warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
import keras
import numpy as np
import keras_initx
from keras import layers
from keras_initx.callbacks import LSUV

BATCH = 12
# The parts of a batch are different, so that each alone has other statistics.
x = np.random.default_rng(0).normal(size=(3 * BATCH, 6)).astype("float32")
x *= np.linspace(0.2, 3, BATCH)[np.arange(len(x)) % BATCH, None]
if keras.backend.backend() == "tensorflow":
    # JAX would not divide the last batch, of seven samples.
    x = x[:-5]
traces = []


class Watched(keras.Model):
    def train_step(self, *args):
        traces.append(None)
        return super().train_step(*args)


def make():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    hidden = layers.Dense(8, "tanh")(inputs)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.Dropout(0.1, seed=1)(hidden)
    model = Watched(inputs, layers.Dense(1)(hidden))
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer, "mse")
    return model


def callback():
    return LSUV(initializer=keras_initx.HaarOrthogonal(seed=1), batches=batches)


def fit(model, ours, data=x):
    traces.clear()
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": 2}
    history = model.fit(data, data[:, :1], callbacks=ours, **options).history
    return {
        "loss": history["loss"],
        "traces": len(traces),
        "iterations": int(model.optimizer.iterations.numpy()),
    }


rate, batches = json.loads(sys.argv[1])
"""
