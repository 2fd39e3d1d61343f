"""Small models, and each way to train them, watched."""

import keras
import numpy as np
from catalogue import BACKEND, to_numpy
from keras import layers, ops

import keras_initx
from keras_initx._backend import has_values
from keras_initx.callbacks import LSUV
from keras_initx.callbacks._first_batches import FirstBatches, Shown
from keras_initx.schemes import lsuv

RANDOM = np.random.default_rng(0)
# The last batch of an epoch is a smaller one.
SAMPLES, BATCH, EPOCHS, STEPS = 40, 16, 2, 6
X = RANDOM.normal(size=(SAMPLES, 7)).astype("float32")
# A sample is known by its first number.
X[:, 0] = np.arange(SAMPLES)
Y = RANDOM.integers(0, 3, size=(SAMPLES, 1)).astype("float32")
SLICES = [slice(0, 16), slice(16, 32), slice(32, 40)]
HAS_TRACES = BACKEND != "torch"
# Where it does not matter whether there is a program, there is none, to save time.
EAGER = {"run_eagerly": True}


class Recorder(layers.Layer):
    """Takes the first number off each sample, and keeps those of training."""

    def build(self, shape):
        self.count = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        self.seen = self.add_weight(
            shape=(STEPS, BATCH),
            initializer=keras.initializers.Constant(-1),
            trainable=False,
            autocast=False,
        )

    def call(self, inputs, training=False):
        if training:
            row = ops.pad(inputs[:, 0], [(0, BATCH)], constant_values=-1)[:BATCH]
            is_now = ops.expand_dims(ops.arange(STEPS, dtype="int32"), 1) == self.count
            self.seen.assign(ops.where(is_now, row, self.seen.value))
            self.count.assign_add(1)
        return inputs[:, 1:]


class Breaking(layers.Layer):
    """Raises an error, while it has one and runs eagerly."""

    error = None

    def call(self, inputs):
        if self.error is not None and has_values(inputs):
            raise self.error
        return inputs


class Counting:
    """A model that knows how often Python has run its `train_step`."""

    traces = 0

    def train_step(self, *args):
        self.traces += 1
        return super().train_step(*args)


class Watched(Counting, keras.Model):
    pass


def stack(is_rich=False):
    between = [layers.BatchNormalization(), layers.Dropout(0.2, seed=1)]
    return [
        Recorder(name="recorder"),
        layers.Dense(8, "tanh", name="first"),
        *(between if is_rich else []),
        Breaking(name="breaking"),
        layers.Dense(1, name="last"),
    ]


class Subclassed(Counting, keras.Model):
    """The stack, not built."""

    def __init__(self):
        super().__init__(name="model")
        self.stack = stack()

    def call(self, inputs, training=False):
        inputs = self.stack[0](inputs, training=training)
        for layer in self.stack[1:]:
            inputs = layer(inputs)
        return inputs


class WatchedSequential(Counting, keras.Sequential):
    pass


def functional(is_rich=False):
    inputs = output = keras.Input((7,))
    for layer in stack(is_rich):
        output = layer(output)
    return Watched(inputs, output, name="model")


def several_inputs(structure):
    """A model of the same layers whose inputs are a dict, tuple or list."""
    first, second = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    output = layers.Concatenate()([first, second])
    for layer in stack():
        output = layer(output)
    inputs = {"a": first, "b": second} if structure is dict else [first, second]
    return Watched(inputs, output, name="model")


def parts(x, structure):
    a, b = x[:, :4], x[:, 4:]
    return {"a": a, "b": b} if structure is dict else structure([a, b])


def find(model, name):
    (layer,) = [each for each in model._flatten_layers() if each.name == name]
    return layer


def seen(model):
    """The numbers of the samples of each training batch, in order."""
    rows = to_numpy(find(model, "recorder").seen).astype(int)
    return [row[row >= 0].tolist() for row in rows]


def iterations(model):
    return int(ops.convert_to_numpy(model.optimizer.iterations))


def compiled(model, optimizer="sgd", **options):
    options = {"jit_compile": False, "weighted_metrics": ["mae"], **options}
    model.compile(optimizer, "mse", **options)
    return model


def sgd(rate=0.01, **options):
    return lambda: keras.optimizers.SGD(rate, **options)


def seeded():
    return keras_initx.HaarOrthogonal(seed=1)


def state(model):
    """All that a training may change, bit for bit."""
    variables = [
        *model.variables,
        *model.optimizer.variables,
        *model.metrics_variables,
    ]
    return {v.path: np.asarray(ops.convert_to_numpy(v)).tobytes() for v in variables}


def assert_same_state(model, expected):
    both = zip(
        [*model.variables, *model.optimizer.variables],
        [*expected.variables, *expected.optimizer.variables],
        strict=True,
    )
    for variable, other in both:
        np.testing.assert_array_equal(
            to_numpy(variable), to_numpy(other), variable.path
        )


def compare(
    fit=None,
    make_model=functional,
    take=lambda x: x,
    optimizer=keras.optimizers.SGD,
    steps=STEPS,
    **options,
):
    """Two trainings: with the callback, and initialized by hand on the first batch.

    They see the same batches, and end the same bit for bit. The one that was
    initialized by hand is a plain training: it says what the first batch is.
    """
    fit = fit or fit_arrays()
    models, histories, reports = [], [], []
    for is_ours in (True, False):
        keras.utils.set_random_seed(3)
        model = compiled(make_model(), optimizer=optimizer(), **options)
        ours = [LSUV(initializer=seeded())] if is_ours else []
        if not is_ours:
            x = take(X[seen(models[0])[0]])
            model(x)
            reports.append(lsuv(model, x, initializer=seeded()))
        histories.append(fit(model, ours).history)
        models.append(model)
        reports += [callback.report for callback in ours]
    with_callback, by_hand = models
    assert len(seen(by_hand)[0]) == BATCH
    assert seen(with_callback) == seen(by_hand)
    assert iterations(with_callback) == iterations(by_hand) == steps
    assert with_callback.traces <= by_hand.traces
    assert not isinstance(with_callback.train_function, Shown)
    assert reports[0].to_dict() == reports[1].to_dict()
    assert len(reports[0].scaled) == 2
    assert all(row.factor != 1 for row in reports[0].scaled)
    assert_same_state(with_callback, by_hand)
    assert histories[0] == histories[1]
    return by_hand, with_callback


def fit_arrays(x=X, y=Y, more=list, **arguments):
    options = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    return lambda model, ours: model.fit(
        x, y, callbacks=[*ours, *more()], **{**options, **arguments}
    )


def fit_source(make_source, more=list, **arguments):
    options = {"epochs": EPOCHS, "shuffle": False, "verbose": 0}
    return lambda model, ours: model.fit(
        make_source(), callbacks=[*ours, *more()], **{**options, **arguments}
    )


class Batches(keras.utils.PyDataset):
    """The batches of an epoch; it knows which have been asked for."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = []

    def __len__(self):
        return len(SLICES)

    def __getitem__(self, index):
        self.asked.append(index)
        return X[SLICES[index]], Y[SLICES[index]]


def generator(count=STEPS, asked=None):
    """It can be run through once."""
    for index in range(count):
        if asked is not None:
            asked.append(index)
        yield X[SLICES[index % 3]], Y[SLICES[index % 3]]


class Looks(keras.callbacks.Callback):
    """Another callback that wants to see the next batches."""

    def __init__(self, count, at=0):
        super().__init__()
        self.count, self.at = count, at
        self.seen, self.weights, self.stds = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.at:
            FirstBatches(self.model, self.count, self.look)

    def look(self, batches):
        self.seen.append([to_numpy(x)[:, 0].astype(int).tolist() for x, *_ in batches])
        self.weights.append(
            [weight for _, _, *weights in batches for weight in weights]
        )
        kernel = to_numpy(find(self.model, "first").kernel)
        self.stds.append((X[:BATCH, 1:] @ kernel).std())


class Fails(keras.callbacks.Callback):
    """Raises an error at the very last moment before the first step."""

    def on_train_batch_begin(self, batch, logs=None):
        raise ArithmeticError
