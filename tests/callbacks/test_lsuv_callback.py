"""The callback LSUV in `fit`: what training sees, and what it does not lose."""

import itertools
import random

import keras
import numpy as np
import pytest
from catalogue import BACKEND, framework, refuses, to_numpy
from keras import callbacks, layers, ops
from trainings import (
    BATCH,
    EAGER,
    EPOCHS,
    SAMPLES,
    STEPS,
    Batches,
    Fails,
    Looks,
    Subclassed,
    WatchedSequential,
    X,
    Y,
    compare,
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

from keras_initx.callbacks import LSUV
from keras_initx.callbacks._first_batches import Shown
from keras_initx.schemes import lsuv

# The kinds of data


def test_arrays():
    without, _ = compare()
    assert seen(without)[1:3] == [list(range(16, 32)), list(range(32, 40))]


def test_shuffled_arrays():
    without, _ = compare(fit_arrays(shuffle=True), **EAGER)
    assert seen(without)[0] != list(range(BATCH))


def test_tensors():
    compare(fit_arrays(ops.convert_to_tensor(X), ops.convert_to_tensor(Y)), **EAGER)


@pytest.mark.parametrize("structure", [dict, tuple, list])
def test_several_inputs(structure):
    compare(
        fit_arrays(parts(X, structure)),
        make_model=lambda: several_inputs(structure),
        take=lambda x: parts(x, structure),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"sample_weight": np.linspace(0, 1, SAMPLES)},
        {"class_weight": {0: 1.0, 1: 0.5, 2: 2.0}},
        {"validation_data": (X[:8], Y[:8])},
        {"steps_per_epoch": 3},
    ],
    ids=lambda arguments: "-".join(arguments),
)
def test_arguments_of_fit(arguments):
    compare(fit_arrays(**arguments), **EAGER)


def test_validation_split():
    # What is left has 32 samples: two batches.
    without, _ = compare(fit_arrays(validation_split=0.2, epochs=3), **EAGER)
    assert max(itertools.chain(*seen(without))) == 31


@pytest.mark.parametrize("workers", [1, 2])
def test_py_dataset(workers):
    sources = []

    def source():
        sources.append(Batches(workers=workers))
        return sources[-1]

    compare(fit_source(source), **EAGER)
    with_callback, without = (sorted(source.asked) for source in sources)
    assert with_callback == without


def test_py_dataset_shuffled_between_epochs():
    compare(fit_source(Batches, shuffle=True), **EAGER)


def test_generator_that_ends_with_the_training():
    compare(fit_source(generator, steps_per_epoch=3))


@pytest.mark.parametrize("steps_per_epoch", [9, None])
def test_generator_that_ends_before_the_training(steps_per_epoch):
    def fit(model, ours):
        arguments = {"epochs": 1, "steps_per_epoch": steps_per_epoch}
        with pytest.warns(UserWarning, match="ran out of data"):
            return fit_source(generator, **arguments)(model, ours)

    # TensorFlow counts the step that finds no batch.
    compare(fit, steps=STEPS + (BACKEND == "tensorflow"))


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow reads ahead")
def test_batches_drawn_from_a_generator():
    counts = []

    def source():
        counts.append([])
        return generator(100, counts[-1])

    compare(fit_source(source, steps_per_epoch=3))
    assert len(counts[0]) == len(counts[1]) <= STEPS + 1


def test_generator_with_missing_weights():
    def source():
        return ((x, y, None) for x, y in generator())

    compare(fit_source(source, steps_per_epoch=3))
    looks = Looks(1)
    fit_source(source, epochs=1, steps_per_epoch=3)(compiled(functional()), [looks])
    assert looks.weights == [[None]]


def test_generator_that_draws_from_pythons_generator():
    """LSUV draws seeds, and leaves that generator alone."""
    drawn = []

    def source():
        drawn.append([])
        for batch in generator():
            drawn[-1].append(random.random())
            yield batch

    for ours in ([], [LSUV()], [LSUV(initializer=keras.initializers.HeNormal())]):
        model = compiled(functional())
        random.seed(5)
        fit_source(source, steps_per_epoch=3)(model, ours)
    assert drawn[0][:STEPS] == drawn[1][:STEPS] == drawn[2][:STEPS]


@pytest.mark.several_frameworks
@pytest.mark.parametrize("is_dict", [False, True])
def test_tf_data(is_dict):
    tf = framework("tensorflow")
    x = {"a": X[:, :4], "b": X[:, 4:]} if is_dict else X
    dataset = tf.data.Dataset.from_tensor_slices((x, Y)).batch(BATCH)
    if is_dict:
        compare(
            fit_source(lambda: dataset),
            make_model=lambda: several_inputs(dict),
            take=lambda x: parts(x, dict),
        )
    else:
        compare(fit_source(lambda: dataset))


@pytest.mark.several_frameworks
def test_torch_data_loader():
    torch = framework("torch")
    dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    compare(
        fit_source(lambda: torch.utils.data.DataLoader(dataset, batch_size=BATCH)),
        **EAGER,
    )


# How the train function is made


def test_eager_train_function():
    without, with_callback = compare(**EAGER)
    assert with_callback.traces == without.traces == STEPS


@pytest.mark.skipif(BACKEND == "torch", reason="needs a C++ compiler")
def test_compiled_train_function():
    without, with_callback = compare(jit_compile="auto")
    assert with_callback.traces == without.traces < STEPS


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's trainer refuses it")
@pytest.mark.parametrize("count", [2, 5])
def test_several_steps_per_execution(count):
    without, with_callback = compare(steps_per_execution=count)
    if BACKEND == "tensorflow":
        assert with_callback.traces == without.traces < STEPS


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's trainer refuses it")
def test_several_steps_per_execution_of_a_generator():
    fit = fit_source(generator, epochs=1, steps_per_epoch=6)
    compare(fit, steps_per_execution=2)


@pytest.mark.skipif(BACKEND != "jax", reason="of JAX's compiler")
def test_nothing_is_compiled_twice(caplog):
    """A step would be, if it once got arrays of another kind, and then its own."""
    import jax  # noqa: TID251

    def initialize(model):
        lsuv(model, X[:BATCH])
        return []

    counts = []
    for initialized in (lambda _: [], lambda _: [LSUV()], initialize):
        model = compiled(functional(), optimizer="adam", jit_compile=True)
        ours = initialized(model)
        caplog.clear()
        with jax.log_compiles():
            fit_arrays(epochs=3)(model, ours)
        messages = [record.getMessage() for record in caplog.records]
        counts.append(sum("Compiling" in m and "train_step" in m for m in messages))
    # One program for each size of the batch.
    assert counts == [2, 2, 2]


# Models and optimizers


@pytest.mark.parametrize(
    "make_model", [Subclassed, lambda: WatchedSequential(stack(), name="model")]
)
def test_model_that_is_not_built(make_model):
    compare(make_model=make_model)


def test_state_of_other_layers_and_metrics():
    compare(make_model=lambda: functional(is_rich=True))


def test_mixed_precision():
    def optimizer():
        return keras.optimizers.LossScaleOptimizer(sgd()(), initial_scale=16.0)

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        compare(optimizer=optimizer, **EAGER)
    finally:
        keras.config.set_dtype_policy(before)


def test_gradient_accumulation():
    compare(optimizer=sgd(gradient_accumulation_steps=2), steps=STEPS // 2, **EAGER)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_moving_averages_know_nothing_of_the_weights_before(momentum):
    optimizer = sgd(momentum=0.9, use_ema=True, ema_momentum=momentum)
    compare(optimizer=optimizer, **EAGER)


def schedule_free():
    return keras.optimizers.ScheduleFreeAdamW(1e-9)


def multi_optimizer(each=keras.optimizers.SGD):
    optimizers = keras.optimizers.OptimizerMap(each(), {".*last.*": each()})
    return keras.optimizers.MultiOptimizer(optimizers)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [
        schedule_free,
        lambda: keras.optimizers.LossScaleOptimizer(schedule_free()),
        lambda: multi_optimizer(schedule_free),
    ],
    ids=["alone", "loss scale", "several"],
)
def test_optimizer_that_trains_copies_of_the_weights(optimizer, center):
    """It is built on the weights before, and would set the model back to them."""
    # A compiled step of JAX refuses to get one tensor twice.
    model = compiled(functional(), optimizer(), jit_compile=BACKEND == "jax")
    model.optimizer.build(model.trainable_variables)
    expected = functional()
    options = {"initializer": seeded(), "center": center}
    lsuv(expected, X[:BATCH], **options)
    fit_arrays(steps_per_epoch=1, epochs=1)(model, [LSUV(**options)])
    for weight, other in zip(
        model.trainable_weights, expected.trainable_weights, strict=True
    ):
        np.testing.assert_allclose(to_numpy(weight), to_numpy(other), atol=1e-6)


def test_optimizer_whose_momentum_looks_like_weights_of_zero():
    model = compiled(functional(), sgd(0.0, momentum=0.9)(), **EAGER)
    model.set_weights([0 * weight for weight in model.get_weights()])
    model.optimizer.build(model.trainable_variables)
    fit_arrays(epochs=1)(model, [LSUV()])
    assert not any(to_numpy(momentum).any() for momentum in model.optimizer.momentums)
    assert weights(model)[0].any()


# Several batches, and other data


def test_two_batches_on_pytorch():
    if BACKEND != "torch":
        pytest.skip("the other trainers show as many as one takes")
    with refuses(
        "`LSUV` needs `data` if `batches` is above 1 on the PyTorch backend, where "
        "`fit` shows one batch at a time. Received: batches=2, data=None. Pass a data "
        "set as `data`, or use one batch."
    ):
        LSUV(batches=2)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's trainer shows one batch")
@pytest.mark.parametrize(("count", "steps"), [(2, 1), (3, 2), (4, 2), (9, 2), (1, 5)])
def test_several_batches(count, steps):
    """Training sees all of them, one after the other."""
    models = [
        compiled(functional(), sgd(0.0)(), steps_per_execution=steps) for _ in range(2)
    ]
    fit = fit_source(generator, epochs=1, steps_per_epoch=STEPS)
    fit(models[0], [])
    fit(models[1], [callback := LSUV(batches=count, initializer=seeded())])
    assert seen(models[1]) == seen(models[0])
    assert iterations(models[1]) == STEPS
    assert models[1].traces == models[0].traces
    x = np.concatenate([x for x, _ in generator(min(count, STEPS))])
    assert (
        callback.report.to_dict()
        == lsuv(functional(), x, initializer=seeded()).to_dict()
    )


@pytest.mark.parametrize("kind", ["array", "generator", "PyDataset"])
def test_other_data(kind):
    """`fit` keeps its own for itself."""
    data = {"array": X[3:9], "generator": generator(), "PyDataset": Batches()}[kind]
    batches = 1 if kind == "array" else 3
    expected = X[3:9] if kind == "array" else X
    models = [compiled(functional(), sgd(0.0)(), **EAGER) for _ in range(2)]
    callback = LSUV(data, batches=batches, initializer=seeded())
    asked = []
    fit = fit_source(lambda: generator(asked=asked), epochs=1, steps_per_epoch=1)
    fit(models[0], [])
    drawn = len(asked)
    fit(models[1], [callback])
    assert seen(models[1]) == seen(models[0])
    # TensorFlow reads ahead.
    assert len(asked) == 2 * drawn or BACKEND == "tensorflow"
    assert iterations(models[1]) == 1
    report = lsuv(functional(), expected, initializer=seeded())
    assert callback.report.to_dict() == report.to_dict()
    if kind == "generator":
        assert len(list(data)) == STEPS - 3


# Once


def weights(model):
    return [to_numpy(find(model, name).kernel) for name in ("first", "last")]


def assert_does_nothing(model, callback, capsys, reason, fit=None):
    """`fit` trains as if the callback were not there, but for one line."""
    twin = functional()
    twin.set_weights(model.get_weights())
    compiled(twin, **EAGER)
    twin.optimizer.build(twin.trainable_variables)
    model.optimizer.build(model.trainable_variables)
    for variable, other in zip(
        twin.optimizer.variables, model.optimizer.variables, strict=True
    ):
        variable.assign(other)
    fit = fit or fit_arrays(epochs=1)
    capsys.readouterr()
    fit(model, [callback])
    assert capsys.readouterr().out == f"LSUV does nothing: {reason}.\n"
    fit(twin, [])
    for kernel, other in zip(weights(model), weights(twin), strict=True):
        np.testing.assert_array_equal(kernel, other)


def test_second_fit(capsys):
    model, callback = compiled(functional(), **EAGER), LSUV()
    fit_arrays(epochs=1)(model, [callback])
    assert capsys.readouterr().out == ""
    report = callback.report
    reason = "it has initialized this model before"
    assert_does_nothing(model, callback, capsys, reason)
    assert callback.report is report
    compiled(model, **EAGER)
    assert_does_nothing(model, callback, capsys, reason)


def test_second_fit_with_another_object(capsys):
    model = compiled(functional(), **EAGER)
    fit_arrays(epochs=1)(model, [])
    reason = "training is resumed, at epoch 1 after 3 steps"
    assert_does_nothing(model, LSUV(), capsys, reason)


def test_initial_epoch(capsys):
    reason = "training is resumed, at epoch 3 after 0 steps"
    fit = fit_arrays(initial_epoch=2, epochs=3)
    assert_does_nothing(compiled(functional(), **EAGER), LSUV(), capsys, reason, fit)


def test_other_data_are_used_once_too(capsys):
    model = compiled(functional(), **EAGER)
    fit_arrays(epochs=1)(model, [])
    reason = "training is resumed, at epoch 1 after 3 steps"
    assert_does_nothing(model, LSUV(X), capsys, reason)


def test_silent(capsys):
    model = compiled(functional(), **EAGER)
    fit_arrays(epochs=1)(model, [])
    fit_arrays(epochs=1)(model, [LSUV(verbose=0)])
    assert capsys.readouterr().out == ""


def test_one_object_for_two_models():
    """Each model gets kernels of its own."""
    callback, kernels = LSUV(), []
    for _ in range(2):
        model = compiled(functional(), sgd(0.0)(), **EAGER)
        fit_arrays(epochs=1)(model, [callback])
        kernels.append(weights(model)[0])
        assert len(callback.report.scaled) == 2
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01


@pytest.mark.parametrize(
    "optimizer",
    [
        # Two batches, and no update yet.
        sgd(gradient_accumulation_steps=4),
        lambda: keras.optimizers.LossScaleOptimizer(sgd()(), initial_scale=16.0),
        multi_optimizer,
    ],
    ids=["accumulating", "loss scale", "several"],
)
def test_steps_of_other_optimizers_count(optimizer, capsys):
    model = compiled(functional(), optimizer(), **EAGER)
    fit = fit_arrays(epochs=1, steps_per_epoch=2)
    first = LSUV()
    fit(model, [first])
    assert len(first.report.scaled) == 2
    assert capsys.readouterr().out == ""
    fit(model, [LSUV()])
    reason = "training is resumed, at epoch 1 after 2 steps"
    assert capsys.readouterr().out == f"LSUV does nothing: {reason}.\n"


def test_steps_of_a_models_own_optimizers_count(capsys):
    """The one of `compile` may be idle, as in adversarial training."""
    model = compiled(functional(), **EAGER)
    model.own_optimizer = sgd()()
    model.own_optimizer.build(model.trainable_variables)
    model.own_optimizer.iterations.assign(7)
    fit_arrays(epochs=1)(model, [LSUV()])
    reason = "training is resumed, at epoch 1 after 7 steps"
    assert capsys.readouterr().out == f"LSUV does nothing: {reason}.\n"


class Stop(keras.callbacks.Callback):
    """Interrupts the training after a batch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.when, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.when:
            raise KeyboardInterrupt


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("frequency", ["epoch", 2])
def test_backup_and_restore(is_first, frequency, tmp_path, capsys):
    """In either order, a resumed training ends as one that was not interrupted."""
    optimizer = sgd(momentum=0.9)

    def ours(directory):
        backup = callbacks.BackupAndRestore(tmp_path / directory, frequency)
        both = [LSUV(initializer=seeded()), backup]
        return both if is_first else both[::-1]

    expected = compiled(functional(), optimizer(), **EAGER)
    fit_arrays(epochs=3)(expected, ours("expected"))
    interrupted = compiled(functional(), optimizer(), **EAGER)
    stop = Stop(epoch=0, batch=1) if frequency == 2 else Stop(epoch=1, batch=0)
    with pytest.raises(KeyboardInterrupt):
        fit_arrays(epochs=3)(interrupted, [*ours("backup"), stop])
    assert capsys.readouterr().out == ""
    resumed = compiled(functional(), optimizer(), **EAGER)
    fit_arrays(epochs=3)(resumed, ours("backup"))
    epoch, steps = (1, 2) if frequency == 2 else (2, 3)
    reason = f"training is resumed, at epoch {epoch} after {steps} steps"
    assert capsys.readouterr().out == f"LSUV does nothing: {reason}.\n"
    if frequency == "epoch":
        for kernel, other in zip(weights(resumed), weights(expected), strict=True):
            np.testing.assert_array_equal(kernel, other)


# Beside other callbacks


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_beside_swap_ema_weights(is_first, swap_on_epoch):
    def fit(model, ours):
        more = [callbacks.SwapEMAWeights(swap_on_epoch=swap_on_epoch)]
        both = [*ours, *more] if is_first else [*more, *ours]
        arguments = {"validation_data": (X[:8], Y[:8])}
        return fit_arrays(**arguments)(model, both)

    compare(fit, optimizer=sgd(use_ema=True, ema_momentum=0.9), **EAGER)


def test_moving_averages_after_one_step():
    optimizer = sgd(use_ema=True, ema_momentum=0.9)()
    model = compiled(functional(), optimizer, **EAGER)
    fit_arrays(epochs=1, steps_per_epoch=1)(model, [LSUV()])
    for weight, average in zip(
        model.trainable_weights, optimizer._model_variables_moving_average, strict=True
    ):
        np.testing.assert_array_equal(to_numpy(average), to_numpy(weight))


def test_beside_callbacks_that_keep_weights(tmp_path):
    """`EarlyStopping` takes the weights of the first epoch back."""
    made = []

    def more():
        made.append(tmp_path / f"{len(made)}")
        made[-1].mkdir()
        return [
            callbacks.EarlyStopping(
                "loss", mode="max", patience=5, restore_best_weights=True
            ),
            callbacks.ModelCheckpoint(
                made[-1] / "{epoch}.weights.h5", save_weights_only=True
            ),
            callbacks.CSVLogger(made[-1] / "log.csv"),
        ]

    _, model = compare(fit_arrays(more=more), **EAGER)
    logs = [(folder / "log.csv").read_text() for folder in made]
    assert logs[0] == logs[1]
    assert len(logs[0].splitlines()) == 1 + EPOCHS
    saved = functional()
    saved.load_weights(made[0] / "1.weights.h5")
    for kernel, other in zip(weights(model), weights(saved), strict=True):
        np.testing.assert_array_equal(kernel, other)


@pytest.mark.parametrize("is_first", [True, False])
def test_beside_a_callback_that_changes_weights(is_first):
    """LSUV comes last before the first step, and never again."""
    model = compiled(functional(), sgd(0.0)())
    kernel, bias = find(model, "first").kernel, find(model, "last").bias
    changes = callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: (
            kernel.assign(5 * kernel.value) if batch == 0 else None
        ),
        on_epoch_end=lambda epoch, logs: bias.assign(bias.value + 7),
    )
    ours = LSUV(initializer=None)
    before = to_numpy(kernel)
    fit_arrays(epochs=1)(model, [ours, changes] if is_first else [changes, ours])
    z = X[:BATCH, 1:] @ to_numpy(kernel)
    assert z.std() == pytest.approx(1, rel=1e-3)
    assert ours.report.to_dict()["layers"][0]["std_before"] == pytest.approx(
        (X[:BATCH, 1:] @ before).std() * 5, rel=1e-3
    )
    np.testing.assert_array_equal(to_numpy(bias), 7)


@pytest.mark.parametrize("counts", [(1, 1), (1, 2), (3, 1)])
@pytest.mark.parametrize("steps", [1, 2])
def test_several_callbacks_look_at_the_first_batches(counts, steps):
    """In their order: the one behind LSUV sees what LSUV did."""
    if BACKEND == "torch" and (max(counts) > 1 or steps > 1):
        pytest.skip("PyTorch's trainer shows one batch")
    before, after, later = Looks(counts[0]), Looks(counts[1]), Looks(1, at=2)
    models = [
        compiled(functional(), sgd(0.0)(), steps_per_execution=steps) for _ in range(2)
    ]
    # So small that LSUV has to scale it, whatever was drawn.
    kernel = 0.1 * to_numpy(find(models[1], "first").kernel)
    find(models[1], "first").kernel.assign(kernel)
    fit_arrays()(models[0], [])
    fit_arrays()(models[1], [before, LSUV(), after, later])
    assert seen(models[1]) == seen(models[0])
    assert models[1].traces == models[0].traces
    # At each epoch.
    assert before.seen == [seen(models[0])[: counts[0]]] * EPOCHS
    assert after.seen == [seen(models[0])[: counts[1]]] * EPOCHS
    assert later.seen == [seen(models[0])[2:3]] * EPOCHS
    assert before.stds[0] == pytest.approx((X[:BATCH, 1:] @ kernel).std(), rel=1e-3)
    assert abs(before.stds[0] - 1) > 0.01
    np.testing.assert_allclose(after.stds + before.stds[1:], 1, rtol=1e-3)


# Nothing lost


def broken(error=None, x=X, more=list):
    """Fits a model so that LSUV fails in the midst; what it was and is then."""
    model = compiled(
        functional(is_rich=True),
        sgd(use_ema=True, momentum=0.9)(),
        jit_compile=BACKEND == "jax",
    )
    # What was calculated before is not what counts.
    model.predict_on_batch(X[:BATCH])
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.optimizer.build(model.trainable_variables)
    before = state(model)
    find(model, "breaking").error = error
    kinds = (ValueError, ArithmeticError, KeyboardInterrupt)
    with pytest.raises(kinds) as caught:
        fit_arrays(x, more=more)(model, [callback := LSUV(center=True)])
    find(model, "breaking").error = None
    return model, callback, before, caught.value


def assert_as_before(model, callback, before):
    """The model is as before, and `fit` can be called again."""
    after = state(model)
    assert {path: after[path] for path in before} == before
    assert callback.report is None
    assert not isinstance(model.train_function, Shown)
    twin = functional(is_rich=True)
    twin.set_weights(model.get_weights())
    for each in (model, twin):
        compiled(each, sgd(0.0)())
        fit_arrays(epochs=1)(each, [callback])
        assert len(callback.report.scaled) == 2
        std = (X[:BATCH, 1:] @ weights(each)[0]).std()
        assert std == pytest.approx(1, rel=0.01)
    assert seen(model) == seen(twin)
    assert iterations(model) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_batch_that_is_not_finite(bad):
    x = X.copy()
    x[3, 4] = bad
    model, callback, before, error = broken(x=x)
    assert "NaN or infinity" in str(error)
    assert "layer 'first' (`Dense`)" in str(error)
    assert_as_before(model, callback, before)


@pytest.mark.parametrize("kind", [ArithmeticError, KeyboardInterrupt])
def test_layer_that_raises(kind):
    """When it does, the layer before it is initialized already."""
    raised = kind("by a layer")
    model, callback, before, error = broken(raised)
    assert error is raised or "by a layer" in str(error)
    assert_as_before(model, callback, before)


@pytest.mark.parametrize("kind", [ArithmeticError, KeyboardInterrupt])
def test_data_that_raise(kind):
    class Data:
        """It raises the first time."""

        error = kind

        def __iter__(self):
            yield X[:BATCH], Y[:BATCH]
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            yield X[:BATCH], Y[:BATCH]

    model = compiled(functional(is_rich=True), sgd(use_ema=True)())
    model.optimizer.build(model.trainable_variables)
    before = state(model)
    with pytest.raises(kind):
        fit_arrays()(model, [callback := LSUV(Data(), batches=2)])
    assert_as_before(model, callback, before)


def test_error_of_another_callback_before_the_first_step():
    """Nothing is left in the model that would initialize it in another `fit`."""
    model = compiled(functional(), sgd(0.0)(), **EAGER)
    with pytest.raises(ArithmeticError):
        fit_arrays()(model, [LSUV(), Fails()])
    before = weights(model)
    fit_arrays()(model, [])
    for kernel, other in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(kernel, other)
    assert seen(model)[0] == list(range(BATCH))


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's trainer shows one batch")
def test_batches_of_a_stopped_training_are_not_those_of_another():
    class StopsEarly(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model = compiled(functional(), **EAGER)
    fit_arrays()(model, [LSUV(batches=3), StopsEarly()])
    fit_arrays(X[::-1], epochs=1)(model, [])
    assert seen(model)[:3] == [
        list(range(BATCH)),
        list(range(39, 23, -1)),
        list(range(23, 7, -1)),
    ]


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"target_std": 0},
            "`LSUV` needs `target_std` to be a finite number above 0. Received: "
            "target_std=0. Pass a positive float, for example 1.0.",
        ),
        (
            {"target_std": 1e300},
            "`LSUV` needs `target_std` to be between 1e-10 and 1e+10. Received: "
            "target_std=1e+300. The usual value is 1.0.",
        ),
        (
            {"tolerance": "small"},
            "`LSUV` needs `tolerance` to be a finite number above 0. Received: "
            "tolerance='small'. Pass a positive float, for example 1.0.",
        ),
        (
            {"batches": 0},
            "`LSUV` needs `batches` to be an integer of at least 1. Received: "
            "batches=0. Pass a positive int, for example 1.",
        ),
        (
            {"layers": [3]},
            "`LSUV` needs `layers` to be names, layers, layer classes, a predicate, "
            'or None. Received: layers=3. Pass for example ["dense_1"], '
            "keras.layers.Conv2D, or a function of a layer. None selects all.",
        ),
        (
            {"initializer": "unknown"},
            "Could not interpret initializer identifier: unknown",
        ),
    ],
)
def test_arguments_are_checked_when_they_are_given(arguments, message):
    with refuses(message):
        LSUV(**arguments)


def test_a_model_in_which_nothing_is_scaled():
    """It is said once, and the model trains."""
    tokens = np.arange(8).reshape(4, 2)
    embedding = layers.Embedding(9, 2, name="words")
    model = keras.Sequential([keras.Input((2,)), embedding, layers.Flatten()])
    compiled(model, sgd(0.1)(), weighted_metrics=None, **EAGER)
    with pytest.warns(UserWarning, match="`lsuv` has scaled") as caught:
        model.fit(
            tokens, np.ones((4, 4)), callbacks=[callback := LSUV()], verbose=0, epochs=2
        )
    messages = [str(each.message) for each in caught]
    assert [text for text in messages if "lsuv" in text] == [
        "`lsuv` has scaled no layer of this model. Left alone: "
        f"{embedding.path!r} (an embedding: no sum over inputs)."
    ]
    assert callback.report.scaled == []
    assert iterations(model) == 2
    bare = keras.Sequential([keras.Input((2,)), layers.Rescaling(2.0)])
    with pytest.warns(UserWarning, match="model. No layer has a kernel.$"):
        assert len(lsuv(bare, tokens)) == 0


def test_options_are_those_of_the_function():
    options = {
        "target_std": 2.0,
        "initializer": seeded(),
        "tolerance": 1e-4,
        "per_channel": True,
        "center": True,
        "layers": ["last"],
    }
    model = compiled(functional(), sgd(0.0)(), **EAGER)
    expected = functional()
    expected.set_weights(model.get_weights())
    report = lsuv(expected, X[:BATCH], **options)
    fit_arrays(epochs=1)(model, [callback := LSUV(**options)])
    assert callback.report.to_dict() == report.to_dict()
    assert [row.path for row in report.scaled] == ["last"]
    for weight, other in zip(
        model.trainable_weights, expected.trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(to_numpy(weight), to_numpy(other))


def test_dead_layers():
    model = compiled(functional(), **EAGER)
    find(model, "last").kernel.assign(np.zeros((8, 1)))
    options = {"initializer": None}
    with pytest.raises(ValueError, match=r"'last' \(dead"):
        fit_arrays()(model, [LSUV(strict=True, **options)])
    with pytest.warns(UserWarning, match=r"'last' alone \(dead"):
        fit_arrays()(model, [callback := LSUV(**options)])
    assert [row.path for row in callback.report.scaled] == ["first"]
