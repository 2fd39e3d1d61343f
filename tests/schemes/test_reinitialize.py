"""New weights for a model: each variable by the law of a new model, or of a rule."""

import random

import keras
import numpy as np
import pytest
import scipy.stats
from catalogue import BACKEND, refuses, to_numpy
from keras import layers
from limits import FALSE_ALARM, SIGMAS, assert_stddev

import keras_initx
from keras_initx import initializers, reinitialize
from keras_initx.schemes import Rules

RANDOM = np.random.default_rng(0)


def values_of(model):
    return {variable.path: to_numpy(variable).copy() for variable in model.variables}


def state_of(model):
    """Every number that a failed call could have changed."""
    optimizer = [] if model.optimizer is None else model.optimizer.variables
    generators = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    numbers = [to_numpy(v).tolist() for v in (*model.variables, *optimizer)]
    return numbers, generators


def mlp(*, seed=None, extra=False):
    inputs = x = keras.Input((6,))
    draws = keras.initializers.GlorotUniform(seed=seed)
    if extra:
        x = layers.Dense(6, name="extra")(x)
    for name in ("first", "second", "third"):
        x = layers.Dense(6, "relu", kernel_initializer=draws, name=name)(x)
    return keras.Model(inputs, x, name="mlp")


def trained(model, optimizer="adam"):
    model.compile(optimizer, "mse")
    x = RANDOM.normal(size=(8, *model.input_shape[1:])).astype("float32")
    model.fit(x, np.zeros((8, *model.output_shape[1:])), verbose=0, batch_size=4)
    return model


# As a new model


def rich_model():
    """Each kind of variable."""
    inputs = keras.Input((8, 8, 20))
    x = layers.Conv2D(150, 3, name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Reshape((16, 150), name="steps")(x)
    x = layers.MultiHeadAttention(2, 75, name="attention")(x, x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Bidirectional(layers.LSTM(40), name="both")(x)
    x = layers.PReLU(name="slope")(x)
    return keras.Model(inputs, layers.Dense(200, name="head")(x))


def test_each_variable_is_as_in_a_new_model():
    """Constants exactly, deviations within their standard error, and the whole law."""
    model, other = rich_model(), rich_model()
    for variable in model.weights:
        variable.assign(RANDOM.normal(3, 2, size=variable.shape))
    report = reinitialize(model, seed=1)
    assert [row.path for row in report] == [v.path for v in _in_order(model)]
    assert {row.source for row in report} == {"layer"}
    for variable, new in zip(model.weights, other.weights, strict=True):
        ours, keras_own = to_numpy(variable), to_numpy(new)
        if np.ptp(keras_own) == 0 or variable.name == "bias":
            np.testing.assert_array_equal(ours, keras_own, variable.path)
            continue
        # Two estimates; those of uniform numbers err less than those of normal ones.
        error = SIGMAS * keras_own.std() / np.sqrt(ours.size)
        assert abs(ours.std() - keras_own.std()) < error, variable.path
        assert not np.array_equal(ours, keras_own)
        alike = scipy.stats.ks_2samp(ours.ravel(), keras_own.ravel())
        assert alike.pvalue > FALSE_ALARM, variable.path


def _in_order(model):
    """The variables of a model by its layers, as a report has them."""
    found = {}
    for layer in model._flatten_layers(include_self=False):
        found.update({id(v): v for v in layer.variables})
    return list(found.values())


def test_the_forget_gate_starts_at_one():
    model = keras.Sequential([keras.Input((3, 2)), layers.LSTM(4)])
    cell = model.layers[0].cell
    cell.bias.assign(RANDOM.normal(size=16))
    reinitialize(model)
    np.testing.assert_array_equal(to_numpy(cell.bias), np.repeat([0, 1, 0, 0], 4))


def test_query_key_and_value_differ():
    """Keras gives all three the integer seed, and so the same kernel."""
    inputs = keras.Input((4, 8))
    draws = keras.initializers.HeNormal(seed=1)
    attention = layers.MultiHeadAttention(
        2, 4, kernel_initializer=draws, name="attention"
    )
    model = keras.Model(inputs, attention(inputs, inputs))
    names = ("query", "key", "value")

    def kernels():
        found = values_of(model)
        return [found[f"attention/{name}/kernel"] for name in names]

    query, key, value = kernels()
    assert np.array_equal(query, key)
    reinitialize(model)
    query, key, value = kernels()
    for one, other in ((query, key), (key, value), (query, value)):
        assert not np.isclose(one, other).any()


def test_one_seed_gives_one_model():
    model = mlp()
    report = reinitialize(model, seed=7)
    first = values_of(model)
    assert report.seed == 7
    reinitialize(model, seed=8)
    for path, value in values_of(model).items():
        assert path.endswith("bias") or not np.isclose(value, first[path]).any()
    reinitialize(model, seed=7)
    for path, value in values_of(model).items():
        np.testing.assert_array_equal(value, first[path])


def test_automatic_names_count_within_the_model():
    """A model that is built a second time has `dense_2` where the first has `dense`."""

    def build():
        inputs = keras.Input((3, 4))
        x = layers.Dense(4)(layers.Dense(4)(inputs))
        return keras.Model(inputs, layers.MultiHeadAttention(1, 4)(x, x))

    models = build(), build()
    assert models[0].weights[0].path != models[1].weights[0].path
    for model in models:
        reinitialize(model, seed=3)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_functions_that_use_the_generators_of_the_program():
    """Also those that a layer makes of its initializers, as LSTM does for its bias."""

    def draws(shape, dtype):
        return keras.random.normal(shape, dtype=dtype) + np.random.normal()  # noqa: NPY002

    bias = keras.initializers.RandomNormal(seed=1)
    inputs = keras.Input((3, 6))
    x = layers.LSTM(6, bias_initializer=bias, return_sequences=True)(inputs)
    x = layers.Dense(6)(layers.LSTM(6, bias_initializer=bias)(x))
    model, results = keras.Model(inputs, layers.Dense(6)(x)), []
    for _ in range(2):
        reinitialize(model, {layers.Dense: draws}, seed=1)
        results.append(values_of(model))
    # Whatever else is drawn before.
    reinitialize(model, {layers.Dense: draws, "*": None}, seed=1)
    for result in (results[1], values_of(model)):
        for path, value in results[0].items():
            np.testing.assert_array_equal(value, result[path])
    one, other = (v for p, v in results[0].items() if "lstm_cell/bias" in p)
    assert not np.isclose(one[:6], other[:6]).any()
    one, other = (v for p, v in results[0].items() if "dense" in p and "kernel" in p)
    assert not np.isclose(one, other).any()


def test_an_added_layer_changes_no_other_one():
    one, other = mlp(), mlp(extra=True)
    for model in (one, other):
        reinitialize(model, seed=2)
    for path, value in values_of(one).items():
        np.testing.assert_array_equal(values_of(other)[path], value)


def test_integer_seeds_of_the_layers_give_way():
    """Otherwise each fold would start from the same weights."""
    model = mlp(seed=5)
    first, second, third = model.get_weights()[::2]
    assert np.array_equal(first, second)
    reinitialize(model)
    first, second, third = model.get_weights()[::2]
    assert not np.isclose(first, second).any()
    assert not np.isclose(second, third).any()


def test_without_a_seed_it_takes_one_from_python():
    model, seeds = mlp(), []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        seeds.append([reinitialize(model).seed for _ in range(2)])
    assert seeds[0] == seeds[1]
    assert seeds[0][0] != seeds[0][1]
    again = reinitialize(model, seed=seeds[0][1])
    assert again.seed == seeds[0][1]


def test_a_seed_generator_moves_on():
    model, seeds = mlp(), []
    for _ in range(2):
        generator = keras.random.SeedGenerator(4)
        seeds.append([reinitialize(model, seed=generator).seed for _ in range(2)])
    assert seeds[0] == seeds[1]
    assert seeds[0][0] != seeds[0][1]


def test_nothing_else_is_touched():
    """Generators of the program, automatic names, waiting variables."""
    model = trained(mlp())
    keras_before = to_numpy(keras_initx._keras.global_seed_state()).tolist()
    name = layers.Dense(1).name
    before = state_of(model)[1]
    reinitialize(model, {"first/kernel": lambda shape, dtype: np.ones(shape)}, seed=1)
    assert state_of(model)[1] == before
    assert to_numpy(keras_initx._keras.global_seed_state()).tolist() == keras_before
    number = int(name.rpartition("_")[2]) if name != "dense" else 0
    assert layers.Dense(1).name == f"dense_{number + 1}"
    with keras.StatelessScope():
        pass


# Layers of other kinds


class Own(layers.Layer):
    """Draws in its own ways."""

    def __init__(self, units=3, **arguments):
        super().__init__(**arguments)
        self.units = units
        self.inner = layers.Dense(units, name="inner")

    def build(self, shape):
        self.inner.build(shape)
        self.table = self.add_weight(
            (200, self.units), initializer=keras.initializers.RandomNormal(5.0, seed=1)
        )
        self.noise = self.add_weight(
            (4,), initializer=lambda shape, dtype: keras.random.normal(shape)
        )
        self.half = self.add_weight((), initializer=keras.initializers.Constant(0.5))

    def call(self, inputs):
        return self.inner(inputs) * self.half

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class WithoutConfig(layers.Layer):
    """Cannot be made again: nobody knows what it was given."""

    def __init__(self, function, is_named=False):
        super().__init__(name="without_config")
        self.kernel_initializer = keras.initializers.Ones()
        self.function = function

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], 2), initializer="ones", name="kernel")
        self.other = self.add_weight((2,), initializer="ones", name="other")

    def call(self, inputs):
        return self.function(inputs @ self.kernel)

    def get_config(self):
        raise NotImplementedError("there is none")


def test_a_layer_of_ones_own():
    model = keras.Sequential([keras.Input((4,)), Own(name="own")])
    own = model.layers[0]
    for variable in own.weights:
        variable.assign(variable + 7)
    report = reinitialize(model, seed=1)
    assert {row.source for row in report} == {"layer"}
    assert to_numpy(own.half) == 0.5
    table, noise = to_numpy(own.table), to_numpy(own.noise)
    assert abs(table.mean() - 5) < SIGMAS * 0.05 / np.sqrt(table.size)
    assert np.abs(noise).max() < 6
    assert np.abs(to_numpy(own.inner.kernel)).max() < 1
    reinitialize(model, seed=1)
    np.testing.assert_array_equal(to_numpy(own.noise), noise)


def test_what_cannot_be_known_is_left_and_said():
    model = keras.Sequential([keras.Input((4,)), WithoutConfig(lambda x: x)])
    layer = model.layers[0]
    layer.kernel.assign(layer.kernel * 3)
    layer.other.assign(layer.other * 3)
    kernel, other = reinitialize(model)
    # The layer says by which initializer it draws this one.
    assert (kernel.source, kernel.initializer) == ("layer", "Ones")
    assert (to_numpy(layer.kernel) == 1).all()
    assert (other.source, other.note) == (
        "nothing",
        "not known: NotImplementedError: there is none",
    )
    assert (to_numpy(layer.other) == 3).all()


def test_frozen_and_adapted_layers_are_left():
    inputs = keras.Input((4,))
    x = layers.Dense(3, name="frozen")(layers.Normalization(name="scaled")(inputs))
    x = layers.Dense(3, name="head")(layers.Dense(3, name="adapters")(x))
    model = keras.Model(inputs, x)
    model.get_layer("scaled").adapt(RANDOM.normal(4, 2, size=(20, 4)))
    model.get_layer("frozen").trainable = False
    model.get_layer("adapters").enable_lora(2)
    before = values_of(model)
    notes = {row.path: row.note for row in reinitialize(model, like="torch")}
    after = values_of(model)
    changed = {path for path in after if not np.array_equal(after[path], before[path])}
    assert changed == {
        "adapters/lora_kernel_a",
        "adapters/bias",
        "head/kernel",
        "head/bias",
    }
    assert notes["scaled/mean"] == "learned by `adapt`"
    assert notes["frozen/bias"] == "frozen"
    assert notes["adapters/kernel"] == "frozen by LoRA"


def test_quantized_layers_are_left():
    model = mlp()
    model.get_layer("first").quantize("int8")
    before = values_of(model)
    notes = {row.path: row.note for row in reinitialize(model)}
    assert notes["first/kernel"] == "quantized"
    np.testing.assert_array_equal(
        values_of(model)["first/kernel"], before["first/kernel"]
    )


def test_layers_selects():
    model = mlp()
    before = values_of(model)
    report = reinitialize(model, layers="second")
    after = values_of(model)
    changed = {path for path in after if not np.array_equal(after[path], before[path])}
    assert changed == {"second/kernel"}
    assert report[0].note == "not in `layers`"


def test_shared_nested_and_stateful_layers():
    shared = layers.Dense(5, name="shared")
    inner = keras.Sequential([keras.Input((3, 5)), shared], name="inner")
    inputs = keras.Input(batch_shape=(2, 3, 5))
    recurrent = layers.GRU(5, stateful=True, return_sequences=True, name="gru")
    model = keras.Model(inputs, inner(shared(recurrent(inputs))))
    model(np.ones((2, 3, 5), "float32"))
    assert to_numpy(recurrent.states[0]).any()
    report = reinitialize(model, {"shared/kernel": "ones"})
    assert len(report) == len({row.path for row in report}) == len(model.variables)
    assert (to_numpy(shared.kernel) == 1).all()
    assert not to_numpy(recurrent.states[0]).any()


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.blocks = [Own(4, name="block"), Own(4, name="block")]
        self.scale = self.add_weight((), initializer="ones", name="scale")

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs * self.scale


def test_a_subclassed_model():
    """Two layers of one name have different weights."""
    model = Subclassed()
    model(np.ones((1, 4), "float32"))
    model.scale.assign(3.0)
    reinitialize(model, seed=1)
    assert to_numpy(model.scale) == 1
    one, other = (to_numpy(block.inner.kernel) for block in model.blocks)
    assert not np.isclose(one, other).any()


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16"])
def test_dtypes(dtype):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, dtype=dtype),
            layers.LayerNormalization(dtype=dtype),
        ]
    )
    before = [v.dtype for v in model.weights]
    reinitialize(model, {"*/kernel": "haar_orthogonal"})
    reinitialize(model, like="torch")
    assert [v.dtype for v in model.weights] == before


# Rules


def test_rules_come_in_their_order():
    inputs = keras.Input((4, 8))
    x = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    model = keras.Model(inputs, layers.Dense(8, name="dense")(x))
    constant = keras.initializers.Constant
    report = reinitialize(
        model,
        {
            "*/query/kernel": constant(1.0),
            "*/query/*": None,
            layers.MultiHeadAttention: constant(2.0),
            lambda layer, variable: variable.name == "bias": constant(3.0),
        },
    )
    model.get_layer("dense")
    found = {path: value.ravel()[0] for path, value in values_of(model).items()}
    kernel = found.pop("dense/kernel")
    assert kernel not in (1, 2, 3)
    assert found == {
        "attention/query/kernel": 1,
        "attention/query/bias": 0,
        "attention/key/kernel": 2,
        "attention/key/bias": 3,
        "attention/value/kernel": 2,
        "attention/value/bias": 3,
        "attention/attention_output/kernel": 2,
        "attention/attention_output/bias": 3,
        "dense/bias": 3,
    }
    sources = {row.path: (row.source, row.note) for row in report}
    assert sources["attention/query/kernel"] == ("rule", "'*/query/kernel'")
    assert sources["attention/query/bias"] == ("nothing", "'*/query/*'")
    assert sources["attention/key/kernel"] == ("rule", "MultiHeadAttention")
    assert sources["dense/kernel"] == ("layer", "")


FAN_IN = {
    "dense": (layers.Dense(80), (40,), 40),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 5, 300), 9),
    "grouped": (layers.Conv2D(80, 3, groups=4), (5, 5, 40), 9 * 10),
    "transposed": (layers.Conv2DTranspose(20, 4, strides=2), (5, 5, 80), 4 * 80),
    "embedding": (layers.Embedding(50, 60), (6,), 1),
    "einsum": (layers.EinsumDense("abc,cde->abde", (None, 4, 20)), (6, 60), 60),
}


@pytest.mark.parametrize("name", FAN_IN)
def test_rules_draw_by_the_fans_of_the_layer(name):
    """Keras's own initializer too, where Keras counts other fans."""
    layer, shape, fan_in = FAN_IN[name]
    model = keras.Sequential([keras.Input(shape), layer])
    samples = []
    for seed in range(5):
        reinitialize(model, {type(layer): "he_normal"}, seed=seed)
        samples.append(to_numpy(layer.weights[0]).ravel())
    assert_stddev(np.concatenate(samples), np.sqrt(2 / fan_in))


def test_rules_draw_each_gate_on_its_own():
    model = keras.Sequential([keras.Input((3, 4)), layers.LSTM(8)])
    cell = model.layers[0].cell
    for initializer in (
        "haar_orthogonal",
        "gate_orthogonal",
        initializers.Blockwise("haar_orthogonal", 4),
    ):
        reinitialize(model, {"*/recurrent_kernel": initializer}, seed=1)
        gates = np.split(to_numpy(cell.recurrent_kernel), 4, axis=-1)
        for gate in gates:
            np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-5)
        assert not np.isclose(gates[0], gates[1]).any()
    reinitialize(model, {"*/bias": initializers.ChronoBias(10)}, seed=1)
    assert to_numpy(cell.bias).max() > 1


def test_rules_go_through_json():
    rules = Rules(
        {
            "*/query/kernel": "orthogonal_delta",
            layers.Conv2D: keras.initializers.HeNormal(seed=3),
            keras_initx.layers.Scale: initializers.Sparse(4),
            "*/bias": None,
        }
    )
    again = Rules.from_json(rules.to_json())
    assert list(again) == list(rules)
    assert again["*/query/kernel"] == "orthogonal_delta"
    assert again["*/bias"] is None
    assert again[layers.Conv2D].get_config() == rules[layers.Conv2D].get_config()
    assert again.to_json() == rules.to_json()


def test_rules_that_json_cannot_hold():
    with refuses(
        "`Rules.to_json` needs path patterns, layer classes of Keras, and registered "
        f"ones. Received: the rule {Own!r}. Use a path pattern, or "
        "`keras.saving.register_keras_serializable`."
    ):
        Rules({Own: "ones"}).to_json()
    with refuses(
        "`Rules.from_json` needs layer classes that are known here. Received: the "
        "class 'mine>Layer'. Import the module that registers it."
    ):
        Rules.from_json('[{"layer": "mine>Layer", "initializer": "ones"}]')
    for text in ("{", '[{"initializer": null}]', "3"):
        with refuses(
            "`Rules.from_json` needs the text that `Rules.to_json` wrote. Received: "
            f"{text!r}. Write the rules again."
        ):
            Rules.from_json(text)


# The optimizer


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(0.003, use_ema=True),
        lambda: keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), momentum=0.9
        ),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.003)),
    ],
)
def test_the_optimizer_begins_again(optimizer):
    model = trained(mlp(), optimizer())
    assert int(model.optimizer.iterations) > 0
    reinitialize(model, seed=1)
    other = mlp()
    other.set_weights(model.get_weights())
    twin = optimizer()
    twin.build(other.trainable_variables)
    pairs = zip(model.optimizer.variables, twin.variables, strict=True)
    for variable, new in pairs:
        np.testing.assert_array_equal(to_numpy(variable), to_numpy(new), variable.path)


def test_the_learning_rate_stays():
    model = trained(mlp())
    model.optimizer.learning_rate = 0.125
    reinitialize(model)
    assert float(model.optimizer.learning_rate) == 0.125


def test_the_optimizer_stays_if_asked():
    model = trained(mlp())
    before = [to_numpy(v).tolist() for v in model.optimizer.variables]
    reinitialize(model, optimizer=False)
    assert [to_numpy(v).tolist() for v in model.optimizer.variables] == before


@pytest.mark.parametrize("begins_again", [True, False])
def test_copies_of_weights_in_an_optimizer_follow(begins_again):
    """This optimizer trains copies, and writes these to the weights."""
    model = mlp()
    model.compile(keras.optimizers.ScheduleFreeAdamW(0.001), "mse", run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    reinitialize(model, seed=1, optimizer=begins_again)
    before = model.get_weights()
    x = RANDOM.normal(size=(2, 6)).astype("float32")
    model.fit(x, x, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=0.01)


# Folds


def test_folds_trace_and_compile_once(caplog):
    traces = []

    class Counted(layers.Layer):
        def call(self, inputs):
            traces.append(1)
            return inputs

    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, "relu"),
            Counted(),
            layers.Dropout(0.5),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", jit_compile=BACKEND == "jax")
    x = RANDOM.normal(size=(8, 4)).astype("float32")
    traces.clear()
    counts, functions = [], set()
    for fold in range(10):
        reinitialize(model, seed=fold)
        if BACKEND == "jax":
            import jax  # noqa: TID251

            caplog.clear()
            with jax.log_compiles():
                model.fit(x, x[:, :1], batch_size=4, epochs=2, verbose=0)
            messages = [record.getMessage() for record in caplog.records]
            counts.append(sum("Compiling" in m and "train_step" in m for m in messages))
        else:
            model.fit(x, x[:, :1], batch_size=4, epochs=2, verbose=0)
            counts.append(len(traces))
            traces.clear()
        functions.add(id(model.train_function))
    assert len(functions) == 1
    if BACKEND == "torch":
        # There is no program: each of the four steps runs the layers.
        assert counts[1:] == [4] * 9
    else:
        assert counts[0] >= 1
        assert counts[1:] == [0] * 9


def test_a_fold_forgets_the_one_before():
    model = mlp()
    model.compile("adam", "mse", run_eagerly=True)
    x = RANDOM.normal(size=(8, 6)).astype("float32")
    results = []
    for _ in range(2):
        reinitialize(model, seed=1)
        model.fit(x, x, epochs=2, verbose=0, shuffle=False)
        results.append(model.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


# Errors


def test_bad_arguments():
    model = mlp()
    before = values_of(model)
    paths = ", ".join(before)
    for call, message in {
        lambda: reinitialize("model"): (
            "`reinitialize` needs a Keras model or layer. Received: model='model'. "
            "Pass the model."
        ),
        lambda: reinitialize(keras.Sequential([layers.Dense(3)], name="new")): (
            "`reinitialize` needs a built model. Received: the model 'new' of class "
            "Sequential, which has no variables. Call it on a batch first, or "
            "`model.build(input_shape)`."
        ),
        lambda: reinitialize(model, {"*/gamma": "ones"}): (
            "`reinitialize` needs each rule to hold for a variable. Received: the rule "
            f"'*/gamma', which matches none. The model has: {paths}."
        ),
        lambda: reinitialize(model, {layers.Conv2D: "ones"}): (
            "`reinitialize` needs each rule to hold for a variable. Received: the rule "
            f"Conv2D, which matches none. The model has: {paths}."
        ),
        lambda: reinitialize(model, {"*": "she_normal"}): (
            "`reinitialize` needs each rule to name an initializer, or None. Received: "
            "'she_normal'. Pass for example \"he_normal\", or None to leave the "
            "variable as it is."
        ),
        lambda: reinitialize(model, {3: "ones"}): (
            "`reinitialize` needs `rules` to be a dict from path patterns, layer "
            "classes or functions `(layer, variable)`. Received: rules={3: '...'}. "
            'Pass for example {"*/query/kernel": "glorot_uniform", '
            'keras.layers.Conv2D: "he_normal"}.'
        ),
        lambda: reinitialize(model, like="tourch"): (
            "`reinitialize` needs a known `like`. Received: like='tourch'. Choose one "
            "of: 'torch', 'flax', 'gpt2', 'bert', 'timm_vit', 'ppo', 'dcgan', "
            "'torchvision_resnet'."
        ),
        lambda: reinitialize(model, layers="fourth"): (
            "`reinitialize` needs `layers` to select layers with variables. Received: "
            "layers='fourth', which selects none. The model has: first, second, third."
        ),
        lambda: reinitialize(model, seed="1"): (
            "`reinitialize` needs `seed` to be an integer. Received: seed='1'. Pass "
            "for example -1."
        ),
    }.items():
        with refuses(message):
            call()
    for path, value in values_of(model).items():
        np.testing.assert_array_equal(value, before[path])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("place", [0, 3, 5])
def test_after_an_error_all_is_as_before(error, place):
    model = trained(mlp())
    before = state_of(model)
    count = []

    def breaks(shape, dtype):
        count.append(1)
        if len(count) > place:
            raise error("broken")
        return np.ones(shape)

    with pytest.raises(error, match="broken"):
        reinitialize(model, {"*": breaks}, seed=1)
    assert state_of(model) == before


def test_an_optimizer_that_breaks_undoes_the_weights(monkeypatch):
    model = trained(mlp())
    before = state_of(model)

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(keras.optimizers.Adam, "from_config", broken)
    with pytest.raises(RuntimeError, match="broken"):
        reinitialize(model, seed=1)
    assert state_of(model) == before


def test_the_report_prints():
    model = mlp()
    text = str(reinitialize(model, {"first/bias": None}, seed=3)).splitlines()
    assert text[0].split() == [
        "variable",
        "shape",
        "drawn",
        "by",
        "initializer",
        "note",
    ]
    assert text[2].split()[:4] == ["first/kernel", "(6,", "6)", "layer"]
    assert text[-1] == "5 of 6 variables drawn, with seed=3."
    as_dict = reinitialize(model, seed=3).to_dict()
    assert as_dict["seed"] == 3
    assert as_dict["rows"][1] == {
        "path": "first/bias",
        "shape": [6],
        "source": "layer",
        "initializer": "Zeros",
        "note": "",
    }
