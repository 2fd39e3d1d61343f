"""The callback SignalMonitor in `fit`: what the logs get, and what nobody notices."""

import csv
import json
import math
import random

import keras
import numpy as np
import pytest
from catalogue import BACKEND, framework, refuses, run_python, to_numpy
from keras import callbacks, layers, ops
from several_devices import COMMON
from trainings import (
    BATCH,
    EAGER,
    EPOCHS,
    STEPS,
    Batches,
    Fails,
    Looks,
    Subclassed,
    WatchedSequential,
    X,
    Y,
    assert_same_state,
    compiled,
    find,
    fit_arrays,
    fit_source,
    functional,
    generator,
    iterations,
    parts,
    seeded,
    seen,
    several_inputs,
    sgd,
    stack,
    state,
)

from keras_initx.callbacks import LSUV, SignalMonitor
from keras_initx.callbacks._first_batches import Shown
from keras_initx.diagnostics import signal_report

# The way to train that costs least for layers of which there is one test.
PROGRAM = {"jit_compile": True} if BACKEND == "jax" else EAGER
QUANTITIES = ("pre_activation_std", "std", "dead", "saturated", "cosine")


def signal(logs):
    """The part of the logs, or of a history, that is ours."""
    return {key: value for key, value in logs.items() if key.startswith("signal/")}


def expected_logs(model, x, training=True):
    """What the logs should have for a model of layers of different names."""
    return {
        f"signal/{row.path}/{name}": math.nan if value is None else value
        for row in signal_report(model, x, training=training)
        if row.kernels
        for name in QUANTITIES
        if (value := getattr(row, name)) is not None or name != "saturated"
    }


class Judge(keras.callbacks.Callback):
    """Stands behind the monitor, and computes at each epoch what it should say."""

    def __init__(self, x, training=True):
        super().__init__()
        self.x, self.training, self.epochs = x, training, 0

    def on_epoch_end(self, epoch, logs=None):
        expected = expected_logs(self.model, self.x, self.training)
        np.testing.assert_equal(signal(logs), expected)
        self.epochs += 1


def momentum():
    return keras.optimizers.SGD(0.01, momentum=0.9)


def global_state():
    state = np.random.get_state()  # noqa: NPY002
    return random.getstate(), state[1].tolist()


def undisturbed(
    fit=None,
    make_model=lambda: functional(is_rich=True),
    take=lambda x: x,
    make_monitor=SignalMonitor,
    x=None,
    optimizer=momentum,
    epochs=EPOCHS,
    **options,
):
    """Two trainings, without the callback and with it, which end bit for bit the same.

    The logs are those of the first batch, or of `x`.
    """
    fit = fit or fit_arrays()
    models, histories, states = [], [], []
    for is_watched in (False, True):
        keras.utils.set_random_seed(3)
        model = compiled(make_model(), optimizer(), **options)
        ours = []
        if is_watched:
            x = take(X[seen(models[0])[0]]) if x is None else x
            ours = [make_monitor(), judge := Judge(x)]
        histories.append(fit(model, ours).history)
        models.append(model)
        states.append(global_state())
    without, watched = models
    assert judge.epochs == epochs
    assert len(seen(without)[0]) == BATCH
    assert seen(watched) == seen(without)
    assert iterations(watched) == iterations(without) > 0
    assert watched.traces == without.traces
    assert not isinstance(watched.train_function, Shown)
    assert_same_state(watched, without)
    assert states[0] == states[1]
    ours = signal(histories[1])
    assert {key: histories[1][key] for key in histories[0]} == histories[0]
    assert histories[1].keys() == histories[0].keys() | ours.keys()
    names = [key.split("/")[-2] for key in ours]
    assert list(dict.fromkeys(names)) == ["first", "last"]
    assert {len(values) for values in ours.values()} == {epochs}
    return watched, ours


# The kinds of data


def test_arrays():
    """The logs are what NumPy says of the weights."""
    kernels = []

    class Keeps(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            layer = find(self.model, "first")
            kernels.append([to_numpy(layer.kernel), to_numpy(layer.bias)])

    keeper = Keeps()
    _, logs = undisturbed(fit_arrays(more=lambda: [keeper]), make_model=functional)
    for epoch, (kernel, bias) in enumerate(kernels[EPOCHS:]):
        z = X[:BATCH, 1:].astype("float64") @ kernel + bias
        found = {key.split("/")[-1]: logs[key][epoch] for key in logs if "first" in key}
        a = np.tanh(z)
        rows = a / np.linalg.norm(a, axis=1, keepdims=True)
        cosines = (rows @ rows.T)[~np.eye(BATCH, dtype=bool)]
        assert found["pre_activation_std"] == pytest.approx(z.std(), rel=1e-5)
        assert found["std"] == pytest.approx(a.std(), rel=1e-5)
        assert found["dead"] == 0
        # A value may lie on the limit but for rounding.
        near = [np.mean(np.abs(a) > limit) for limit in (0.9401, 0.9399)]
        assert near[0] <= found["saturated"] <= near[1]
        assert found["cosine"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert len({tuple(values) for values in zip(*logs.values(), strict=True)}) == EPOCHS


def test_shuffled_arrays():
    undisturbed(fit_arrays(shuffle=True), **EAGER)


def test_tensors():
    tensors = map(ops.convert_to_tensor, (X, Y))
    undisturbed(fit_arrays(*tensors), **EAGER)


@pytest.mark.parametrize("structure", [dict, tuple, list])
def test_several_inputs(structure):
    undisturbed(
        fit_arrays(parts(X, structure)),
        make_model=lambda: several_inputs(structure),
        take=lambda x: parts(x, structure),
        **EAGER,
    )


@pytest.mark.several_frameworks
def test_tf_data():
    tf = framework("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)
    undisturbed(fit_source(lambda: dataset))


@pytest.mark.several_frameworks
def test_torch_data_loader():
    torch = framework("torch")
    dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH)
    undisturbed(fit_source(lambda: loader), **EAGER)


def test_py_dataset():
    sources = []

    def source():
        sources.append(Batches())
        return sources[-1]

    undisturbed(fit_source(source), **EAGER)
    without, watched = (source.asked for source in sources)
    assert watched == without


def test_generator_that_ends_with_the_training():
    undisturbed(fit_source(generator, steps_per_epoch=3))


def reusing():
    """One array, in which each batch is written over the one before."""
    x, y = X[:BATCH].copy(), Y[:BATCH].copy()
    for step in range(STEPS):
        half = slice(0, BATCH) if step % 2 == 0 else slice(BATCH, 2 * BATCH)
        x[...], y[...] = X[half], Y[half]
        yield x, y


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow reads ahead")
def test_generator_that_reuses_its_array():
    undisturbed(fit_source(reusing, steps_per_epoch=3), **EAGER)


@pytest.mark.several_frameworks
@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow reads ahead")
def test_data_loader_that_reuses_its_tensors():
    """They come to training as they are, and are another batch when it ends."""
    torch = framework("torch")

    class Reusing(torch.utils.data.IterableDataset):
        def __iter__(self):
            for batch in reusing():
                yield tuple(map(torch.from_numpy, batch))

    def source():
        return torch.utils.data.DataLoader(Reusing(), batch_size=None)

    undisturbed(fit_source(source, epochs=1, steps_per_epoch=STEPS), epochs=1, **EAGER)


def copied_array():
    return X[:BATCH].copy()


@pytest.mark.several_frameworks
def copied_tensor():
    torch = framework("torch")
    return torch.tensor(X[:BATCH])


@pytest.mark.parametrize("make", [copied_array, copied_tensor])
def test_data_that_are_overwritten(make):
    data = []

    class Overwrites(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            for x in data:
                x[...] = 7

    def make_monitor():
        data.append(make())
        return SignalMonitor(data[0])

    fit = fit_arrays(more=lambda: [Overwrites()])
    undisturbed(fit, make_monitor=make_monitor, x=X[:BATCH], **EAGER)
    assert data[0][0, 0] == 7


@pytest.mark.parametrize("kind", ["array", "tensor", "generator", "PyDataset"])
def test_other_data(kind):
    """The first batch of what is given; `fit` keeps its own for itself."""
    make = {
        "array": lambda: X[3:9],
        "tensor": lambda: ops.convert_to_tensor(X[3:9]),
        "generator": lambda: generator(1),
        "PyDataset": Batches,
    }[kind]
    x = X[3:9] if kind in ("array", "tensor") else X[:BATCH]
    undisturbed(make_monitor=lambda: SignalMonitor(make()), x=x, **EAGER)


# How the train function is made, and models


def test_eager_train_function():
    watched, _ = undisturbed(run_eagerly=True)
    assert watched.traces == STEPS


@pytest.mark.skipif(BACKEND == "torch", reason="needs a C++ compiler")
def test_compiled_train_function():
    undisturbed(jit_compile=True)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's trainer refuses it")
@pytest.mark.parametrize("count", [2, 5])
def test_several_steps_per_execution(count):
    undisturbed(steps_per_execution=count)


@pytest.mark.parametrize(
    "make_model", [Subclassed, lambda: WatchedSequential(stack(), name="model")]
)
def test_model_that_is_not_built(make_model):
    undisturbed(make_model=make_model)


def test_moving_averages_of_the_weights():
    undisturbed(optimizer=sgd(use_ema=True, momentum=0.9), **EAGER)


def test_validation():
    fit = fit_arrays(validation_data=(X[:8], Y[:8]))
    undisturbed(fit, **EAGER)


def test_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        undisturbed(make_model=functional, **PROGRAM)
    finally:
        keras.config.set_dtype_policy(before)


def fit_once(model, ours, x, y, **arguments):
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    return model.fit(x, y, callbacks=ours, **{**options, **arguments}).history


def attention_model():
    inputs = keras.Input((5, 4))
    hidden = layers.MultiHeadAttention(2, 3, name="mha")(inputs, inputs)
    hidden = layers.Bidirectional(layers.SimpleRNN(3), name="two_ways")(hidden)
    return keras.Model(inputs, layers.Dense(1, name="head")(hidden))


def test_layers_within_layers():
    x = np.random.default_rng(0).normal(size=(16, 5, 4)).astype("float32")
    model = compiled(attention_model(), **PROGRAM)
    ours = [SignalMonitor(), judge := Judge(x[:8])]
    history = fit_once(model, ours, x, x[:, 0, :1], epochs=1)
    assert judge.epochs == 1
    paths = {key.rpartition("/")[0].removeprefix("signal/") for key in signal(history)}
    assert {f"mha/{name}" for name in ("query", "key", "value")} < paths
    assert "mha/attention_output" in paths
    assert "head" in paths
    assert sum("two_ways" in path for path in paths) == 2
    chosen = SignalMonitor(layers=["mha", "head"], quantities="std")
    history = fit_once(model, [chosen], x, x[:, 0, :1], epochs=1)
    heads = ("query", "key", "value", "attention_output")
    assert set(signal(history)) == {
        *(f"signal/mha/{name}/std" for name in heads),
        "signal/head/std",
    }


def test_layers_that_do_not_reach_into_a_name():
    """`mha` is not the beginning of another name."""
    model = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Dense(3, name="a"),
            layers.Dense(3, name="ab"),
            layers.Dense(1, name="b"),
        ],
        name="model",
    )
    compiled(model, **EAGER)
    cases = {"a": ["a"], "model/a": ["a"], ("ab", "b"): ["ab", "b"]}
    for wanted, names in cases.items():
        monitor = SignalMonitor(layers=wanted, quantities=["std"])
        history = fit_once(model, [monitor], X, Y, epochs=1)
        keys = list(signal(history))
        assert [key.split("/")[-2] for key in keys] == names


class Block(layers.Layer):
    """Two layers of one name."""

    def build(self, shape):
        self.inner = [layers.Dense(4, name="same") for _ in range(2)]
        for layer in self.inner:
            layer.build((*shape[:-1], shape[-1] if layer is self.inner[0] else 4))

    def call(self, inputs):
        for layer in self.inner:
            inputs = layer(inputs)
        return inputs


def test_layers_of_one_path():
    inputs = keras.Input((7,))
    model = keras.Model(inputs, layers.Dense(1, name="b")(Block(name="a")(inputs)))
    compiled(model, sgd(0.0)(), **EAGER)
    monitor = SignalMonitor(quantities=["std"])
    history = fit_once(model, [monitor], X, Y, epochs=1)
    rows = [row.std for row in monitor.report if row.kernels]
    assert [values for (values,) in signal(history).values()] == rows
    keys = list(signal(history))
    assert [key.split("/")[-2] for key in keys] == ["same", "same_1", "b"]


# The other callbacks


def watched_fit(monitor, more, **arguments):
    model = compiled(functional(), **EAGER)
    history = fit_arrays(more=lambda: more, **arguments)(model, [monitor])
    return model, history.history


def test_csv_logger(tmp_path):
    file = tmp_path / "logs.csv"
    _, history = watched_fit(
        SignalMonitor(), [callbacks.CSVLogger(file)], validation_data=(X[:8], Y[:8])
    )
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == EPOCHS
    assert len(signal(history)) == 9
    for key, values in signal(history).items():
        assert [float(row[key]) for row in rows] == values


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    if BACKEND != "tensorflow":
        pytest.skip("TensorBoard is TensorFlow's")
    import tensorflow as tf  # noqa: TID251

    board = callbacks.TensorBoard(tmp_path, write_graph=False)
    _, history = watched_fit(SignalMonitor(), [board])
    found = {}
    for file in (tmp_path / "train").glob("events*"):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                number = tf.make_ndarray(value.tensor)
                found.setdefault(value.tag, []).append((event.step, number))
    for key, values in signal(history).items():
        steps, numbers = zip(*found[f"epoch_{key}"], strict=True)
        assert steps == (0, 1)
        np.testing.assert_allclose(numbers, values, rtol=1e-6)


def test_early_stopping():
    key = "signal/first/dead"
    stop = callbacks.EarlyStopping(monitor=key, mode="min", patience=2)
    _, history = watched_fit(SignalMonitor(), [stop], epochs=9)
    # It is 0 from the start, and gets no better.
    assert history[key] == [0] * 3


def test_progress_bar(capsys):
    watched_fit(SignalMonitor(layers="first", quantities=["std"]), [], verbose=2)
    out = capsys.readouterr().out
    assert "signal/first/std: 0." in out
    assert "last" not in out


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_the_keys_stay_when_a_layer_breaks(value, tmp_path):
    """It is not finite, or dead, from the second epoch on."""

    class Breaks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                layer = find(self.model, "first")
                for weight in layer.weights:
                    weight.assign(np.full(weight.shape, value))

    file = tmp_path / "logs.csv"
    optimizer = sgd(0.0)()
    model = compiled(functional(), optimizer, **EAGER)
    more = [Breaks(), callbacks.CSVLogger(file)]
    history = fit_arrays(more=lambda: more, epochs=3)(model, [SignalMonitor()])
    logs = signal(history.history)
    assert {len(values) for values in logs.values()} == {3}
    rows = list(csv.DictReader(file.read_text().splitlines()))
    for key, values in logs.items():
        np.testing.assert_equal([float(row[key]) for row in rows], values)
    dead, cosine = logs["signal/first/dead"], logs["signal/first/cosine"]
    assert math.isfinite(cosine[0])
    if value == 0:
        assert dead == [0, 1, 1]
        assert logs["signal/first/std"][1:] == [0, 0]
        # No angle is known between vectors of zero.
        assert np.isnan(cosine[1:]).all()
    elif np.isnan(value):
        assert np.isnan(logs["signal/last/std"][1:]).all()


class Skipping(layers.Layer):
    """Calls its layer only while it is told so."""

    is_on = True

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = layers.Dense(6, use_bias=False, name="inner")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, inputs):
        if self.is_on:
            return self.inner(inputs)
        return ops.matmul(inputs, self.inner.kernel)


def test_the_keys_stay_when_a_layer_no_longer_runs(tmp_path):
    class Turns(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            skipping.is_on = epoch != 0

    inputs = keras.Input((6,))
    skipping = Skipping(name="skipping")
    model = keras.Model(inputs, layers.Dense(1, name="last")(skipping(inputs)))
    compiled(model, **EAGER)
    file = tmp_path / "logs.csv"
    ours = [SignalMonitor(), Turns(), callbacks.CSVLogger(file)]
    history = fit_once(model, ours, X[:, 1:], Y, epochs=3)
    inner = {key: v for key, v in signal(history).items() if "/inner/" in key}
    assert len(inner) == 4
    for first, second, third in inner.values():
        assert math.isfinite(first)
        assert math.isnan(second)
        assert math.isfinite(third)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    np.testing.assert_equal(
        [float(row["signal/skipping/inner/std"]) for row in rows],
        inner["signal/skipping/inner/std"],
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_beside_lsuv(is_first):
    """The first look is at the model before LSUV, or after it."""
    ends, first_stds = [], []

    class First(SignalMonitor):
        def _look(self):
            found = super()._look()
            first_stds.append(found["signal/last/pre_activation_std"])
            return found

    for is_watched in (False, True):
        keras.utils.set_random_seed(3)
        model = compiled(functional(is_rich=True))
        ours = [LSUV(initializer=seeded())]
        if is_watched:
            ours.insert(0 if is_first else 1, First(training=False))
            ours.append(Judge(X[:BATCH], training=False))
        history = fit_arrays()(model, ours)
        ends.append(model)
    assert_same_state(ends[1], ends[0])
    assert seen(ends[1]) == seen(ends[0])
    assert ends[1].traces == ends[0].traces
    assert len(first_stds) == EPOCHS + 1
    assert (abs(first_stds[0] - 1) < 0.01) == (not is_first)
    assert first_stds[1:] == history.history["signal/last/pre_activation_std"]


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's trainer shows one batch")
def test_beside_another_that_looks_at_more_batches():
    looks = Looks(2)
    undisturbed(fit_arrays(more=lambda: [looks]), **EAGER)
    assert [len(batches) for batches in looks.seen] == [2] * (2 * EPOCHS)


# One fit after another


def test_second_fit():
    """Each training has a first batch of its own, and data of its own stay."""
    own, given = SignalMonitor(), SignalMonitor(generator(1))
    model = compiled(functional(), sgd(0.0)(), **EAGER)
    stds = []
    for x in (X, X[::-1]):
        history = fit_arrays(x, epochs=1)(model, [own]).history
        judge = Judge(x[:BATCH])
        fit_arrays(x, epochs=1)(model, [own, judge])
        assert judge.epochs == 1
        stds.append(history["signal/first/std"])
        fit_arrays(x, epochs=1)(model, [given, Judge(X[:BATCH])])
    assert stds[0] != stds[1]


def test_resumed_fit():
    model = compiled(functional(), **EAGER)
    fit_arrays(epochs=1)(model, [])
    judge = Judge(X[:BATCH])
    history = fit_arrays(epochs=4, initial_epoch=2)(model, [SignalMonitor(), judge])
    assert len(history.history["signal/first/std"]) == judge.epochs == 2


def test_one_object_for_two_models():
    """The second one has other layers; nothing of the first is written."""
    monitor = SignalMonitor()
    fit_arrays(epochs=1)(compiled(functional(), **EAGER), [monitor])
    model = keras.Sequential([keras.Input((7,)), layers.Dense(1, name="only")])
    history = fit_once(compiled(model, **EAGER), [monitor], X, Y)
    assert {key.split("/")[-2] for key in signal(history)} == {"only"}


def test_error_in_the_midst_of_fit():
    class FailsLater(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise ArithmeticError

    for failing in (Fails(), FailsLater()):
        model, monitor = compiled(functional(is_rich=True)), SignalMonitor()
        with pytest.raises(ArithmeticError):
            fit_arrays()(model, [monitor, failing])
        twin = functional(is_rich=True)
        twin.set_weights(model.get_weights())
        for each in (model, twin):
            compiled(each)
        for variable, other in zip(twin.variables, model.variables, strict=True):
            variable.assign(ops.copy(other.value))
        judge = Judge(X[:BATCH])
        fit_arrays(epochs=1)(model, [monitor, judge])
        fit_arrays(epochs=1)(twin, [])
        assert judge.epochs == 1
        assert_same_state(model, twin)


def test_error_in_the_look():
    """It comes before the first step, and the model is as before."""
    model = compiled(functional(is_rich=True), sgd(use_ema=True)())
    model.optimizer.build(model.trainable_variables)
    before = state(model)
    find(model, "breaking").error = ArithmeticError("by a layer")
    with pytest.raises(ArithmeticError, match="by a layer"):
        fit_arrays()(model, [SignalMonitor()])
    find(model, "breaking").error = None
    after = state(model)
    assert {path: after[path] for path in before} == before
    assert not isinstance(model.train_function, Shown)
    judge = Judge(X[:BATCH])
    fit_arrays()(model, [SignalMonitor(), judge])
    assert judge.epochs == EPOCHS
    assert iterations(model) == STEPS


def test_training_without_a_step():
    """There is no batch, and nothing to say."""
    monitor = SignalMonitor()
    model = compiled(functional(), **EAGER)
    fit_arrays(epochs=1)(model, [monitor])
    before = monitor.report
    history = fit_arrays(epochs=0)(model, [monitor])
    assert history.history == {}
    logs = {}
    monitor.on_train_begin()
    monitor.on_epoch_end(0, logs)
    assert logs == {}
    assert monitor.report is before


# Arguments


def test_inference_mode():
    """A moving average is used there, which is not that of the batch."""
    stds = []
    for training in (False, True):
        model = compiled(functional(is_rich=True), sgd(0.0)(), **EAGER)
        model.set_weights([weight * 0 + 0.3 for weight in model.get_weights()])
        monitor = SignalMonitor(training=training)
        judge = Judge(X[:BATCH], training)
        history = fit_arrays(epochs=1)(model, [monitor, judge]).history
        assert judge.epochs == 1
        stds.append(history["signal/last/std"])
    assert stds[0] != stds[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"quantities": "mean"},
            "`SignalMonitor` needs a known `quantities`. Received: quantities='mean'. "
            "Choose one of: 'pre_activation_std', 'std', 'dead', 'saturated', "
            "'cosine'.",
        ),
        (
            {"quantities": ["std", 3]},
            "`SignalMonitor` needs a known `quantities`. Received: quantities=3. "
            "Choose one of: 'pre_activation_std', 'std', 'dead', 'saturated', "
            "'cosine'.",
        ),
        (
            {"quantities": []},
            "`SignalMonitor` needs a known `quantities`. Received: quantities=[]. "
            "Choose one of: 'pre_activation_std', 'std', 'dead', 'saturated', "
            "'cosine'.",
        ),
        (
            {"quantities": None},
            "`SignalMonitor` needs a known `quantities`. Received: quantities=None. "
            "Choose one of: 'pre_activation_std', 'std', 'dead', 'saturated', "
            "'cosine'.",
        ),
        *(
            (
                {"layers": wrong},
                "`SignalMonitor` needs `layers` to be names or paths of layers, or "
                f"None. Received: layers={wrong!r}. Pass for example "
                '["dense_1"].',
            )
            for wrong in (3, [], ["first", None])
        ),
    ],
)
def test_arguments_are_checked_when_they_are_given(arguments, message):
    with refuses(message):
        SignalMonitor(**arguments)


def test_layers_that_are_not_there():
    model = compiled(functional(), **EAGER)
    fit = fit_arrays(epochs=1)
    with refuses(
        "`SignalMonitor` needs `layers` to name layers that have a kernel and run. "
        "Received: layers='recorder', which names none. The model has: first, last."
    ):
        fit(model, [SignalMonitor(layers=["first", "recorder"])])
    # No step was lost.
    assert iterations(model) == 0
    bare = keras.Sequential([keras.Input((7,)), layers.Rescaling(2.0)])
    with refuses(
        "`SignalMonitor` needs `layers` to name layers that have a kernel and run. "
        "Received: layers='first', which names none. The model has: none."
    ):
        fit_once(compiled(bare, **EAGER), [SignalMonitor(layers="first")], X, X)


def test_empty_data():
    with pytest.raises(ValueError, match=r"`SignalMonitor` needs at least one batch\."):
        fit_arrays()(compiled(functional(), **EAGER), [SignalMonitor(iter(()))])


# Several devices

REPORTED = """
def watched(model):
    history = model.fit(
        x, x[:, :1], callbacks=[monitor := keras_initx.callbacks.SignalMonitor()],
        batch_size=BATCH, shuffle=False, verbose=0, epochs=2,
    ).history
    return {key: value for key, value in history.items() if "signal/" in key}


def values(model):
    return [np.asarray(variable.numpy()) for variable in
            (*model.variables, *model.optimizer.variables)]
"""

MIRRORED = (
    """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
"""
    + COMMON
    + REPORTED
    + """
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
with strategy.scope():
    without, model = make(), make()
results = {"without": fit(without, [])}
traces.clear()
results["logs"] = watched(model)
"""
)

SHARDED = (
    """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
"""
    + COMMON
    + REPORTED
    + """
from keras import distribution
with distribution.DataParallel(devices=distribution.list_devices()).scope():
    assert len(distribution.list_devices()) == 2
    without, model = make(), make()
    results = {"without": fit(without, [])}
    traces.clear()
    results["logs"] = watched(model)
"""
)

COMPARED = """
results["traces"] = len(traces)
for ours, theirs in zip(values(model), values(without), strict=True):
    np.testing.assert_array_equal(ours, theirs)
plain = make()
for variable, other in zip(plain.variables, model.variables, strict=True):
    variable.assign(other.numpy())
report = keras_initx.diagnostics.signal_report(plain, x[:BATCH])
results["expected"] = [
    [row.pre_activation_std, row.std, row.dead, row.cosine]
    for row in report if row.kernels
]
results["found"] = [
    [
        values[-1] for key, values in results["logs"].items()
        if key.split("/")[-2] == name and "saturated" not in key
    ]
    for name in dict.fromkeys(key.split("/")[-2] for key in results["logs"])
]
print(json.dumps(results))
"""


@pytest.mark.skipif(BACKEND == "torch", reason="of TensorFlow and JAX")
def test_several_devices():
    script = MIRRORED if BACKEND == "tensorflow" else SHARDED
    ran = run_python(script + COMPARED, json.dumps([0.05, 1]))
    assert ran.returncode == 0, ran.stderr
    results = json.loads(ran.stdout.splitlines()[-1])
    assert results["traces"] == results["without"]["traces"]
    assert len(results["found"]) == 2
    # The whole batch, not the part of one device.
    for found, expected in zip(results["found"], results["expected"], strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
