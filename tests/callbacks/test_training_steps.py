"""Models with a `train_step` of their own and no `call`, as on keras.io."""

import keras
import numpy as np
import pytest
from catalogue import BACKEND, refuses, to_numpy
from keras import layers, ops

import keras_initx
from keras_initx.callbacks import LSUV, SignalMonitor
from keras_initx.diagnostics import signal_report
from keras_initx.schemes import lsuv

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(24, 6)).astype("float32")
Y = RANDOM.normal(size=(24, 1)).astype("float32")


class Stepping(keras.Model):
    """The part of a training step that differs between backends.

    A subclass has `losses_of`: a function of the data, and the loss of each of its
    parts, which are trained one after the other.
    """

    parts = ()
    step_count = 0

    def __init__(self, **models):
        super().__init__()
        for name, model in models.items():
            setattr(self, name, model)
        self.tracker = keras.metrics.Mean(name="loss")
        # Keras would build it by a call.
        self.built = True

    def compile(self, rate=0.1):
        super().compile(keras.optimizers.SGD(rate, momentum=0.9))
        self.optimizers = {}
        for part in self.parts:
            self.optimizers[part] = keras.optimizers.SGD(rate, momentum=0.9)
            self.optimizers[part].build(getattr(self, part).trainable_variables)

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, *args):
        self.step_count += 1
        return STEPS[BACKEND](self, *args)


def tensorflow_step(self, data):
    import tensorflow as tf  # noqa: TID251

    for part in self.parts:
        weights = getattr(self, part).trainable_variables
        with tf.GradientTape() as tape:
            loss = self.loss_of(part, data)
        gradients = tape.gradient(loss, weights)
        optimizer = self.optimizers[part]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        self.tracker.update_state(loss)
    return {"loss": self.tracker.result()}


def torch_step(self, data):
    import torch  # noqa: TID251

    for part in self.parts:
        weights = getattr(self, part).trainable_variables
        self.zero_grad()
        loss = self.loss_of(part, data)
        loss.backward()
        gradients = [weight.value.grad for weight in weights]
        with torch.no_grad():
            self.optimizers[part].apply(gradients, weights)
        self.tracker.update_state(loss.detach())
    return {"loss": self.tracker.result()}


def jax_step(self, state, data):
    import jax  # noqa: TID251

    trainable, others, optimizers, metrics = (list(values) for values in state)
    places = {id(v): place for place, v in enumerate(self.trainable_variables)}
    for part in self.parts:
        mine = [places[id(v)] for v in getattr(self, part).trainable_variables]

        def loss_of(values, part=part, mine=mine, others=others):
            mapping = list(zip(self.trainable_variables, trainable, strict=True))
            mapping += zip(
                [self.trainable_variables[place] for place in mine], values, strict=True
            )
            mapping += zip(self.non_trainable_variables, others, strict=True)
            with keras.StatelessScope(mapping) as scope:
                loss = self.loss_of(part, data)
            seen = [scope.get_current_value(v) for v in self.non_trainable_variables]
            return loss, seen

        values = [trainable[place] for place in mine]
        (loss, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(values)
        optimizer = self.optimizers[part]
        state_of = [variable.value for variable in optimizer.variables]
        values, _ = optimizer.stateless_apply(state_of, gradients, values)
        for place, value in zip(mine, values, strict=True):
            trainable[place] = value
        mapping = list(zip(self.metrics_variables, metrics, strict=True))
        with keras.StatelessScope(mapping) as scope:
            self.tracker.update_state(loss)
        metrics = [scope.get_current_value(v) for v in self.metrics_variables]
    return {"loss": loss}, (trainable, others, optimizers, metrics)


STEPS = {"tensorflow": tensorflow_step, "torch": torch_step, "jax": jax_step}


def network(name, *sizes, activation="tanh", **options):
    inputs = output = keras.Input((sizes[0],))
    for size in sizes[1:]:
        output = layers.Dense(size, activation, **options)(output)
    return keras.Model(inputs, output, name=name)


class Sampling(layers.Layer):
    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class VAE(Stepping):
    """Both of its parts are trained at once."""

    parts = ("both",)

    def __init__(self):
        inputs = keras.Input((6,))
        hidden = layers.Dense(8, "relu", name="hidden")(inputs)
        hidden = layers.BatchNormalization()(hidden)
        mean = layers.Dense(2, name="mean")(hidden)
        log_variance = layers.Dense(2, name="log_variance")(hidden)
        sample = Sampling()([mean, log_variance])
        encoder = keras.Model(inputs, [mean, log_variance, sample], name="encoder")
        super().__init__(encoder=encoder, decoder=network("decoder", 2, 8, 6))

    @property
    def both(self):
        return self

    def loss_of(self, part, data):
        data = data[0] if isinstance(data, tuple) else data
        mean, log_variance, sample = self.encoder(data, training=True)
        error = ops.mean((self.decoder(sample) - data) ** 2)
        divergence = 1 + log_variance - mean**2 - ops.exp(log_variance)
        return error - 0.5 * ops.mean(divergence)


class WGAN(Stepping):
    """The gradient penalty takes a gradient within the loss."""

    parts = ("discriminator", "generator")

    def __init__(self):
        super().__init__(
            discriminator=network("discriminator", 6, 8, 1),
            generator=network("generator", 2, 8, 6),
        )

    def loss_of(self, part, data):
        fake = self.generator(data[:, :2], training=True)
        if part == "generator":
            return -ops.mean(self.discriminator(fake))
        real = ops.mean(self.discriminator(data))
        return ops.mean(self.discriminator(fake)) - real + self.penalty(data, fake)

    def penalty(self, data, fake):
        between = 0.5 * (data + fake)
        if BACKEND == "tensorflow":
            import tensorflow as tf  # noqa: TID251

            with tf.GradientTape() as tape:
                tape.watch(between)
                output = self.discriminator(between)
            gradient = tape.gradient(output, between)
        elif BACKEND == "torch":
            import torch  # noqa: TID251

            output = self.discriminator(between).sum()
            (gradient,) = torch.autograd.grad(output, between, create_graph=True)
        else:
            import jax  # noqa: TID251

            gradient = jax.grad(lambda x: ops.sum(self.discriminator(x)))(between)
        return ops.mean((ops.sqrt(ops.sum(gradient**2, axis=1)) - 1) ** 2)


class Distiller(Stepping):
    """The teacher only runs."""

    parts = ("student",)

    def __init__(self):
        super().__init__(
            student=network("student", 6, 4, 1), teacher=network("teacher", 6, 8, 1)
        )

    def loss_of(self, part, data):
        x, y = data
        expected = self.teacher(x, training=False)
        found = self.student(x, training=True)
        return ops.mean((found - expected) ** 2) + ops.mean((found - y) ** 2)


class Contrastive(Stepping):
    """One encoder sees two views; a probe is trained beside it."""

    parts = ("encoder", "head", "probe")

    def __init__(self):
        super().__init__(
            encoder=network("encoder", 6, 8, 4),
            head=network("head", 4, 4),
            probe=network("probe", 4, 1),
        )
        self.dropout = layers.Dropout(0.2, seed=5)

    def loss_of(self, part, data):
        x, y = data
        if part == "probe":
            return ops.mean((self.probe(self.encoder(x)) - y) ** 2)
        views = [self.dropout(x, training=True) for _ in range(2)]
        first, second = (self.head(self.encoder(view)) for view in views)
        similarities = ops.matmul(first, ops.transpose(second))
        return -ops.mean(ops.log_softmax(similarities))


MODELS = {
    VAE: (X, None, {"encoder": 3, "decoder": 2}),
    WGAN: (X, None, {"discriminator": 2, "generator": 2}),
    Distiller: (X, Y, {"student": 2}),
    Contrastive: (X, Y, {"encoder": 2, "head": 1, "probe": 1}),
}
every_model = pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)


def made(kind, rate=0.0):
    keras.utils.set_random_seed(1)
    model = kind()
    model.compile(rate)
    return model


def variables(model):
    return [
        *model.variables,
        *model.metrics_variables,
        *(v for each in model.optimizers.values() for v in each.variables),
    ]


def state(model):
    return [to_numpy(variable) for variable in variables(model)]


def assert_equal(states, others):
    for value, other in zip(states, others, strict=True):
        np.testing.assert_array_equal(value, other)


def initialize(model, kind, callback):
    """As at the first step of `fit`, without compiling that step."""
    x, y, _ = MODELS[kind]
    batch = keras.tree.map_structure(
        lambda array: None if array is None else ops.convert_to_tensor(array[:16]),
        keras.utils.pack_x_y_sample_weight(x, y),
    )
    callback.set_model(model)
    callback._initialize([batch])
    return callback.report


def fit(model, kind, *ours):
    x, y, _ = MODELS[kind]
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    return model.fit(x, y, callbacks=[*ours], **options)


@every_model
def test_what_the_step_trains_is_scaled_and_the_rest_is_kept(kind):
    model = made(kind)
    before = state(model)
    report = initialize(model, kind, LSUV())
    *_, parts = MODELS[kind]
    kernels = {
        layer.path: layer.kernel
        for part in parts
        for layer in getattr(model, part).layers
        if isinstance(layer, layers.Dense)
    }
    assert {row.path for row in report} == kernels.keys()
    assert len(report) == sum(parts.values())
    assert all(abs(row.std_after - 1) <= 0.01 for row in report.scaled)
    assert len(report.scaled) == len(report)
    changed = {id(kernel) for kernel in kernels.values()}
    for variable, value, other in zip(
        variables(model), before, state(model), strict=True
    ):
        assert np.array_equal(value, other) == (id(variable) not in changed)


@pytest.mark.parametrize(
    ("kind", "part"), [(WGAN, "generator"), (Distiller, "student")]
)
def test_the_scales_are_those_of_the_part_alone(kind, part):
    model, twin = made(kind), made(kind)
    report = initialize(model, kind, LSUV(initializer=None))
    x = X[:16, :2] if kind is WGAN else X[:16]
    expected = lsuv(getattr(twin, part), x, initializer=None)
    paths = {layer.path for layer in getattr(model, part).layers}
    found = [row for row in report if row.path in paths]
    for row, other in zip(found, expected, strict=True):
        assert row.std_before == pytest.approx(other.std_before, rel=1e-5)
        assert row.factor == pytest.approx(other.factor, rel=1e-5)


def test_training_goes_on_from_there():
    """`fit` gives the callback what it gives the training step, before it does."""
    model, twin = made(Distiller, 0.1), made(Distiller, 0.1)
    seeded = keras_initx.HaarOrthogonal(seed=1)
    initialize(twin, Distiller, LSUV(initializer=seeded))
    histories = [
        fit(model, Distiller, LSUV(initializer=seeded)).history,
        fit(twin, Distiller).history,
    ]
    assert histories[0] == histories[1]
    assert_equal(state(model), state(twin))


@every_model
def test_a_signal_report(kind):
    model = made(kind)
    before = state(model)
    x, y, parts = MODELS[kind]
    report = signal_report(model, x, y)
    assert_equal(state(model), before)
    rows = [row for row in report if row.kernels]
    assert len(rows) == sum(parts.values())
    assert all(np.isfinite(row.pre_activation_std) for row in rows)
    assert model.step_count in (2, 3)


def test_a_monitor():
    ends, histories = [], []
    for ours in ([], [SignalMonitor(quantities=["std"])]):
        model = made(WGAN, 0.1)
        histories.append(fit(model, WGAN, *ours).history)
        ends.append(state(model))
    assert_equal(*ends)
    assert histories[1]["loss"] == histories[0]["loss"]
    assert len(histories[1]) == 1 + 4


def test_other_data():
    model = made(Distiller)
    batches = iter([(X[:8], Y[:8]), (X[8:], Y[8:])])
    callback = LSUV(batches, batches=2, initializer=None)
    initialize(model, Distiller, callback)
    kernel = to_numpy(made(Distiller).student.layers[1].kernel)
    row = next(iter(callback.report))
    assert row.std_before == pytest.approx((X @ kernel).std(), rel=1e-5)


# What cannot be


def test_functions_without_a_training_name_the_parts():
    model = made(VAE)
    with refuses(
        "`lsuv` needs a model with a `call` method. Received: a model of class VAE, "
        "which has none. Call `lsuv` on `model.encoder` or `model.decoder`. Or train "
        "with the callback `LSUV`."
    ):
        lsuv(model, X)
    for options in ({"loss": "mse"}, {"jacobian": True}):
        with refuses(
            "`signal_report` needs a model with a `call` method. Received: a model of "
            "class VAE, which has none. Call `signal_report` on `model.encoder` or "
            "`model.decoder`."
        ):
            signal_report(model, X, X, **options)
    with refuses(
        "`signal_report` needs a model with a `call` method. Received: a model of "
        "class VAE, which has none. Call `signal_report` on `model.encoder` or "
        "`model.decoder`. Or compile the model."
    ):
        signal_report(VAE(), X)


def test_a_step_that_cannot_run_eagerly():
    class Broken(VAE):
        def loss_of(self, part, data):
            raise TypeError("It has to be compiled.")

    model = made(Broken)
    before = state(model)
    with refuses(
        "`LSUV` needs a `train_step` that can run eagerly, where there is no `call`. "
        "Received: TypeError in the `train_step` of Broken: It has to be compiled. "
        "Call `lsuv` on `model.encoder` or `model.decoder`."
    ):
        initialize(model, VAE, LSUV())
    assert_equal(state(model), before)
