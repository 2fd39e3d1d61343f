"""A detached model is the same model, and needs Keras only."""

import json
import random
import re
import warnings

import keras
import numpy as np
import pytest
from catalogue import BACKEND, CATALOGUE, refuses, run_python, to_numpy
from keras import layers

import keras_initx
from keras_initx import detach
from keras_initx._registry import registered
from keras_initx.saving._detached.config_walk import rewritten
from keras_initx.saving._detached.replacements import COMPUTED, Replacements

# Of what computes, these are no layer of Keras.
NAMED = {"Scale", "Shift", "ScaledWeightStandardization", "UnitaryRNNCell"}

RANDOM = np.random.default_rng(1)
INPUTS = RANDOM.normal(size=(4, 6)).astype("float32")
TARGETS = RANDOM.normal(size=(4, 2)).astype("float32")
# What cannot go on in a file: the mask of Keras's small models within a model.
no_warning_of_masks = pytest.mark.filterwarnings("ignore:.*does not support masking")


def sequential(*stack, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *stack])


def compiled(model, optimizer="adam", **arguments):
    model.compile(optimizer, "mse", **arguments)
    return model


def bits(model):
    """Every value of a model and its optimizer, and what is trainable."""
    optimizer = getattr(model, "optimizer", None)
    slots = list(optimizer.variables) if optimizer is not None else []
    return [
        (tuple(v.shape), str(v.dtype), v.trainable, to_numpy(v).tobytes())
        for v in [*model.variables, *slots]
    ]


def step(model, inputs=INPUTS, targets=TARGETS):
    model.train_on_batch(inputs, targets)
    return model


def configs(model):
    return json.dumps([model.get_config(), model.get_compile_config()], default=str)


def detached(model, inputs=INPUTS):
    """The copy, which has the same state and computes the same; the model stays."""
    before = bits(model), configs(model), model.get_weights()
    copy = detach(model)
    assert (bits(model), configs(model)) == before[:2]
    assert bits(copy) == before[0]
    assert type(copy) is type(model)
    assert copy.name == model.name
    assert "keras_initx" not in json.dumps(keras.saving.serialize_keras_object(copy))
    assert not {id(v) for v in copy.variables} & {id(v) for v in model.variables}
    assert_same_outputs(copy, model, inputs)
    return copy


def assert_same_outputs(copy, model, inputs, rtol=1e-6):
    one, other = (to_numpy(each.predict(inputs, verbose=0)) for each in (copy, model))
    np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def assert_trains_on_alike(copy, model, inputs=INPUTS, targets=TARGETS):
    step(model, inputs, targets)
    step(copy, inputs, targets)
    assert len(copy.weights) == len(model.weights)
    for one, other in zip(bits(copy), bits(model), strict=True):
        assert one[:3] == other[:3]
        values = (np.frombuffer(each[3]) for each in (one, other))
        np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)


# Nothing of ours is forgotten


def test_each_registered_object_has_a_treatment():
    replace = Replacements()
    for target in registered().values():
        assert replace.treatment(target)


def test_what_computes_is_replaced_or_named():
    computing = {
        target.__name__
        for target in registered().values()
        if target.__module__ in ("keras_initx.layers", "keras_initx.activations")
    }
    assert computing == {target.__name__ for target in COMPUTED} | NAMED


def replaced(layer):
    """The config of a layer, replaced."""
    config = layer if isinstance(layer, dict) else layer.get_config()
    whole = {"class_name": type(layer).__name__, "config": config}
    if isinstance(layer, keras.Layer):
        whole = keras.saving.serialize_keras_object(layer)
    return rewritten(whole, Replacements())["config"]


@pytest.mark.same_on_each_backend
@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)
def test_each_initializer_becomes_a_default(row):
    config = replaced(layers.Dense(3, kernel_initializer=row.typical()))
    assert config == layers.Dense(3, name=config["name"]).get_config()
    ids = {"kernel_initializer": row.ids[0]} if row.ids else {}
    assert replaced({"init": ids})["init"] == dict.fromkeys(ids, "glorot_uniform")


# The defaults of the holders


class Holder(keras.layers.Layer):
    """Has initializers in many forms, and defaults that Keras does not have."""

    def __init__(self, gain_init="sparse", table_init=None, bias_init=None, **kwargs):
        super().__init__(**kwargs)
        self.arguments = {
            "gain_init": gain_init,
            "table_init": table_init,
            "bias_init": bias_init,
        }

    def get_config(self):
        return {**super().get_config(), **self.arguments}


OURS = "random_walk"
DEFAULTS = [
    (layers.Dense(2, kernel_initializer=OURS), "kernel_initializer", "GlorotUniform"),
    (layers.Embedding(3, 2, OURS), "embeddings_initializer", "RandomUniform"),
    (layers.LSTM(2, recurrent_initializer=OURS), "recurrent_initializer", "Orthogonal"),
    (
        layers.LSTM(2, dtype="bfloat16", recurrent_initializer=OURS),
        "recurrent_initializer",
        "GlorotUniform",
    ),
    (
        layers.LSTM(2, bias_initializer=keras_initx.ChronoBias(9)),
        "bias_initializer",
        "Zeros",
    ),
    (layers.DepthwiseConv1D(2, depthwise_initializer=OURS), "depthwise_initializer",
     "GlorotUniform"),
    (layers.BatchNormalization(gamma_initializer=OURS), "gamma_initializer", "Ones"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "name", "expected"), DEFAULTS)
def test_an_initializer_becomes_the_default_of_its_layer(layer, name, expected):
    assert getattr(layer, name).__module__ == "keras_initx.initializers"
    assert replaced(layer)[name]["class_name"] == expected


def test_a_layer_that_derives_from_one_of_keras_has_its_defaults():
    class Derived(layers.GRU):
        def __init__(self, units, **kwargs):
            super().__init__(units, **kwargs)

    with keras.saving.custom_object_scope({"Derived": Derived}):
        config = replaced(Derived(2, recurrent_initializer="gate_orthogonal"))
    assert config["recurrent_initializer"]["class_name"] == "Orthogonal"


def test_strings_are_replaced_where_they_mean_initializers():
    holder = Holder(
        gain_init=["sparse", {"class_name": "orthogonal_delta", "config": {}}],
        table_init={"initial_value": "unitary", "deep": ("keras_initx>Sparse", 1)},
        bias_init="random_walk",
        name="sparse",
    )
    config = replaced(holder)
    one, other = config["gain_init"]
    assert (one, other["class_name"]) == ("glorot_uniform", "GlorotUniform")
    # `table_init` says what is in it.
    assert config["table_init"] == {
        "initial_value": "glorot_uniform", "deep": ["glorot_uniform", 1]
    }  # fmt: skip
    assert config["bias_init"] == "zeros"
    assert config["name"] == "sparse"
    kept = {"initial_value": "unitary", "output_mode": "sparse", "config": ["sparse"]}
    assert replaced(kept) == kept


# Activations and CReLU


def shaped(activation, **arguments):
    numbers = {"input_scale": 0.7, "input_shift": 0.2, "output_shift": -0.3}
    numbers |= {"output_scale": 1.9, **arguments}
    return keras_initx.ShapedActivation(activation, **numbers)


ACTIVATIONS = {
    "lecun_tanh": "lecun_tanh",
    "shaped": shaped("softplus"),
    "with a slope": shaped("leaky_relu", negative_slope=0.3),
    "a layer": shaped(layers.ELU(alpha=0.5)),
    "of ours": shaped("lecun_tanh", input_shift=0.0),
    "within a layer": shaped(layers.Activation("lecun_tanh")),
    "as it is": keras_initx.ShapedActivation("tanh"),
}
every_activation = pytest.mark.parametrize(
    "activation", ACTIVATIONS.values(), ids=list(ACTIVATIONS)
)


@every_activation
def test_an_activation_becomes_layers_that_compute_the_same(activation):
    model = sequential(layers.Dense(5, activation=activation))
    copy = detached(model, 3 * INPUTS)
    is_itself = activation is ACTIVATIONS["as it is"]
    assert isinstance(copy.layers[0].activation, layers.Pipeline) != is_itself


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16"])
def test_an_activation_in_half_precision_gives_the_same_numbers(dtype):
    """These two compute in float32."""
    model = sequential(layers.Dense(5, activation=shaped("tanh"), dtype=dtype))
    copy = detached(model)
    one, other = copy(INPUTS), model(INPUTS)
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (keras_initx.CReLU(), (3, 2)),
        (keras_initx.CReLU(axis=1), (3, 2)),
        (keras_initx.CReLU(data_format="channels_first"), (3, 4, 2)),
        (layers.TimeDistributed(keras_initx.CReLU()), (3, 2)),
        (keras_initx.CReLU(dtype="bfloat16"), (3, 2)),
    ],
)
def test_crelu_becomes_a_small_model(layer, shape):
    model = sequential(layer, shape=shape)
    inputs = RANDOM.normal(size=(2, *shape)).astype("float32")
    copy = detached(model, inputs)
    one, other = (to_numpy(each(inputs)) for each in (copy, model))
    np.testing.assert_array_equal(one, other)
    assert copy.output_shape == model.output_shape
    assert [each.name for each in copy.layers] == [each.name for each in model.layers]


# Whole models


def all_in_one():
    """A Functional model with much of ours, a shared layer and a model within it."""
    initializer = keras_initx.HaarOrthogonal(seed=1)
    inputs = keras.Input((3, 6), name="inputs")
    shared = layers.Dense(6, kernel_initializer=initializer, activation="lecun_tanh")
    inner = keras.Sequential(
        [
            keras.Input((3, 6)),
            keras_initx.CReLU(name="crelu"),
            layers.Conv1D(6, 1, kernel_initializer="looks_linear"),
            layers.Dropout(0.5, seed=3),
        ],
        name="inner",
    )
    x = keras_initx.CReLU(name="doubled")(inner(shared(inputs)))
    x = shared(layers.Dense(6)(x))
    x = layers.MultiHeadAttention(2, 3, kernel_initializer=initializer)(x, x)
    x = layers.BatchNormalization()(x)
    cell = layers.LSTM(3, recurrent_initializer="gate_orthogonal", dropout=0.2, seed=4)
    x = layers.Bidirectional(cell)(x)
    outputs = layers.Dense(2, activation=shaped("tanh"))(x)
    return keras.Model(inputs, outputs, name="all_in_one")


def masked():
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(5, 3, "haar_orthogonal", mask_zero=True),
            layers.Activation("lecun_tanh"),
            keras_initx.CReLU(),
            layers.GRU(2, recurrent_initializer="gate_orthogonal"),
        ]
    )


SEQUENCES = RANDOM.normal(size=(4, 3, 6)).astype("float32")
WORDS = np.array([[1, 2, 3, 4], [2, 1, 0, 0], [4, 0, 0, 0], [3, 3, 1, 0]])


WITHOUT_US = """
import sys
sys.modules["keras_initx"] = None
import keras, numpy as np

folder = sys.argv[1]
for name in sys.argv[2:]:
    model = keras.saving.load_model(f"{folder}/{name}.keras")
    data = np.load(f"{folder}/{name}.npz")
    outputs = model.predict(data["inputs"], verbose=0)
    if model.compiled:
        model.train_on_batch(data["inputs"], data["targets"])
    np.savez(f"{folder}/{name}_alone.npz", outputs, *model.get_weights())
try:
    import keras_initx
except ImportError:
    print("alone")
"""


def scheduled():
    """A compiled model whose rate has changed already, and its means of weights."""
    activation = "lecun_tanh"
    model = sequential(
        layers.Dense(2, activation=activation, kernel_initializer="sparse")
    )
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    return step(compiled(model, keras.optimizers.RMSprop(schedule, use_ema=True)))


@no_warning_of_masks
def test_a_machine_without_us_loads_predicts_and_trains_on(tmp_path):
    models = {
        "all_in_one": (all_in_one(), SEQUENCES),
        "masked": (masked(), WORDS),
        "scheduled": (scheduled(), INPUTS),
    }
    for name, (model, inputs) in models.items():
        detached(model, inputs).save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", inputs=inputs, targets=TARGETS)
    done = run_python(WITHOUT_US, str(tmp_path), *models)
    assert done.stdout.splitlines() == ["alone"], done.stderr
    for name, (model, inputs) in models.items():
        expected = [model.predict(inputs, verbose=0)]
        expected += (step(model) if model.compiled else model).get_weights()
        with np.load(tmp_path / f"{name}_alone.npz") as found:
            for one, other in zip(found.values(), expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_mask_is_no_reason_to_warn_while_copying():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not support masking")
        model = masked()
    detach(model)


def test_the_copy_trains_on_alike():
    """Random generators and the optimizer go on from where they are."""
    model = step(compiled(all_in_one(), metrics=["mae"]), SEQUENCES)
    copy = detached(model, SEQUENCES)
    assert copy.optimizer.iterations.numpy() == 1
    assert_trains_on_alike(copy, model, SEQUENCES)


def test_a_shared_layer_stays_shared():
    copy = detached(all_in_one(), SEQUENCES)
    assert copy.count_params() == all_in_one().count_params()
    assert len(copy.layers) == len(all_in_one().layers)


def test_a_model_that_is_not_compiled_stays_so():
    model = sequential(layers.Dense(2, kernel_initializer="sparse"))
    assert not detached(model).compiled


def test_a_rate_that_changed_before_the_training_is_kept():
    model = compiled(sequential(layers.Dense(2, kernel_initializer="sparse")))
    model.optimizer.learning_rate = 0.25
    copy = detach(model)
    assert float(copy.optimizer.learning_rate) == 0.25
    assert_trains_on_alike(copy, model)


def test_what_was_compiled_is_kept():
    model = sequential(layers.Dense(2, kernel_initializer="sparse"))
    model.compile(
        keras.optimizers.Adam(0.01, clipnorm=0.5),
        keras.losses.Huber(0.3),
        metrics=["mae"],
        run_eagerly=True,
    )
    copy = detached(model)
    assert copy.run_eagerly
    assert copy.get_compile_config() == model.get_compile_config()


def distance(targets, outputs):
    return keras.ops.mean(
        keras.ops.square(outputs - keras.ops.cast(targets, outputs.dtype)), axis=-1
    )


def test_a_function_of_a_user_needs_no_registration():
    model = sequential(layers.Dense(2, kernel_initializer="sparse"))
    model.compile("sgd", distance, metrics=[distance])
    step(model)
    assert_trains_on_alike(detached(model), model)


def test_a_lambda_is_copied_without_a_warning():
    stack = (layers.Lambda(lambda x: -x), layers.Lambda(keras_initx.lecun_tanh))
    model = sequential(*stack, layers.Dense(2, kernel_initializer="sparse"))
    model.compile("sgd", lambda targets, outputs: (outputs - targets) ** 2)
    copy = detach(model)
    assert copy.loss(2, 5) == 9
    outputs = to_numpy(copy.layers[1](copy.layers[0](INPUTS)))
    np.testing.assert_allclose(outputs, -1.7159 * np.tanh(2 / 3 * INPUTS), rtol=1e-5)


def test_a_constraint_is_dropped_with_a_warning():
    stack = (
        layers.Dense(3, kernel_constraint="orthonormal", name="one"),
        layers.Dense(
            2, kernel_constraint="unit_norm", bias_constraint="orthonormal", name="two"
        ),
    )
    model = compiled(sequential(*stack))
    message = (
        "`detach` drops the constraint `Orthonormal`, which Keras does not have: "
        "one (kernel_constraint), two (bias_constraint). The copy computes the same, "
        "but training does not keep these kernels orthonormal any more."
    )
    with pytest.warns(UserWarning, match=rf"\A{re.escape(message)}\Z") as caught:
        copy = detach(model)
    (warned,) = (each for each in caught if each.category is UserWarning)
    assert warned.filename == __file__
    assert bits(copy) == bits(model)
    assert copy.layers[0].kernel_constraint is None
    assert type(copy.layers[1].kernel_constraint) is keras.constraints.UnitNorm


# State that a file does not carry


def test_lora_stays_as_it_is():
    """A file has the sum of the kernel and what was learned."""
    model = compiled(sequential(layers.Dense(2, kernel_initializer="sparse")))
    model.layers[0].enable_lora(2)
    compiled(model)
    copy = detached(step(model))
    assert_trains_on_alike(copy, model)


@pytest.mark.parametrize("mode", ["int8"])
def test_a_quantized_layer_stays_quantized(mode):
    model = sequential(layers.Dense(8, kernel_initializer="sparse"), layers.Dense(2))
    model.layers[0].quantize(mode)
    copy = detached(model)
    assert copy.layers[0].quantization_mode == mode


def test_a_scaled_loss_stays_scaled():
    dense = layers.Dense(2, kernel_initializer="sparse", dtype="mixed_float16")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = step(compiled(sequential(dense)))
    finally:
        keras.config.set_dtype_policy("float32")
    copy = detached(model)
    assert isinstance(copy.optimizer, keras.optimizers.LossScaleOptimizer)
    assert keras.config.dtype_policy().name == "float32"
    assert copy.dtype_policy == model.dtype_policy
    assert_trains_on_alike(copy, model)


def test_a_loss_that_is_not_scaled_stays_so():
    dense = layers.Dense(2, kernel_initializer="sparse")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = compiled(sequential(dense), auto_scale_loss=False)
    finally:
        keras.config.set_dtype_policy("float32")
    assert type(detached(step(model)).optimizer) is type(model.optimizer)


def test_the_states_of_a_recurrent_layer_stay():
    cell = layers.GRU(3, stateful=True, recurrent_initializer="gate_orthogonal")
    model = keras.Sequential([keras.Input(batch_shape=(4, 3, 6)), cell])
    model(SEQUENCES)
    copy = detach(model)
    for one, other in zip(copy.layers[0].states, cell.states, strict=True):
        assert np.any(to_numpy(other))
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
    assert_same_outputs(copy, model, SEQUENCES)


def test_what_layers_save_on_their_own_comes_along():
    normalize = layers.Normalization()
    normalize.adapt(3 * INPUTS + 1)
    model = sequential(normalize, layers.Dense(2, kernel_initializer="sparse"))
    detached(model)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="strings are TensorFlow's")
def test_a_vocabulary_comes_along():
    words = layers.StringLookup(vocabulary=["one", "two"])
    table = layers.Embedding(3, 2, embeddings_initializer="haar_orthogonal")
    model = keras.Sequential([keras.Input((2,), dtype="string"), words, table])
    inputs = keras.ops.convert_to_tensor([["two", "one"], ["one", "six"]])
    detached(model, inputs)


def test_what_is_frozen_stays_frozen():
    """Also sublayers, whose flags no config has, and what was frozen after a step."""
    attention = layers.MultiHeadAttention(2, 3, kernel_initializer="haar_orthogonal")
    inputs = keras.Input((3, 6))
    normalized = layers.BatchNormalization()(inputs)
    outputs = layers.Dense(2)(attention(normalized, normalized))
    model = compiled(keras.Model(inputs, outputs))
    step(model, SEQUENCES, np.zeros((4, 3, 2)))
    attention.query_dense.trainable = False
    model.layers[1].trainable = False
    copy = detached(model, SEQUENCES)
    assert not copy.layers[2].query_dense.trainable
    assert copy.layers[2].key_dense.trainable
    assert not copy.layers[1].trainable
    frozen = [v.path for v in copy.variables if not v.trainable]
    assert frozen == [v.path for v in model.variables if not v.trainable]


def test_the_global_random_generators_stay():
    model = sequential(layers.Dense(2, kernel_initializer="sparse"))
    before = random.getstate()
    detach(model)
    assert random.getstate() == before


# Classes of users


@keras.saving.register_keras_serializable("tests")
class Block(keras.layers.Layer):
    """Holds an initializer and an activation, and a layer made of them."""

    def __init__(self, kernel_initializer="orthogonal_delta", activation=None, **more):
        super().__init__(**more)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.activation = keras.activations.get(activation)
        self.dense = layers.Dense(
            2, activation=self.activation, kernel_initializer=self.kernel_initializer
        )

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "activation": keras.activations.serialize(self.activation),
        }


class Net(keras.Model):
    """Is built from a part that it is given."""

    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part

    def build(self, input_shape):
        if not self.part.built:
            self.part.build(input_shape)

    def call(self, inputs):
        return self.part(inputs)

    def get_config(self):
        part = keras.saving.serialize_keras_object(self.part)
        return {**super().get_config(), "part": part}

    @classmethod
    def from_config(cls, config):
        part = keras.saving.deserialize_keras_object(config.pop("part"))
        return cls(part, **config)


def test_a_layer_of_a_user_takes_the_replacements():
    model = step(compiled(sequential(Block(activation="lecun_tanh"))))
    copy = detached(model)
    assert type(copy.layers[0].kernel_initializer) is keras.initializers.GlorotUniform
    assert_trains_on_alike(copy, model)


def test_a_subclassed_model_with_a_config_is_copied():
    model = compiled(Net(Block(keras_initx.HaarOrthogonal(seed=1))))
    copy = detached(step(model))
    assert_trains_on_alike(copy, model)


# Errors


class Hidden(keras.layers.Layer):
    """Makes objects of ours in its own code."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(2, kernel_initializer="sparse", name="dense")
        self.crelu = keras_initx.CReLU(name="crelu")

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.crelu(self.dense(inputs))


def test_what_keras_cannot_compute_is_named_whole():
    model = keras.Sequential(
        [
            keras.Input((4, 6)),
            keras_initx.CReLU(groups=2, name="grouped"),
            keras_initx.ScaledWeightStandardization(
                layers.Dense(3, kernel_initializer="sparse", name="inner"),
                name="standardized",
            ),
            keras_initx.Scale(name="scale"),
            keras_initx.Shift(name="shift"),
            layers.RNN(keras_initx.UnitaryRNNCell(2, name="cell"), name="rnn"),
            Hidden(name="hidden"),
            layers.Dense(
                2,
                activation=shaped("leaky_relu", negative_slope=-0.3),
                name="dense",
            ),
        ],
        name="net",
    )
    before = bits(model)
    message = (
        "`detach` needs a model whose layers and activations Keras has too. Received: "
        "grouped (CReLU), standardized (ScaledWeightStandardization), scale (Scale), "
        "shift (Shift), dense (ShapedActivation), cell (UnitaryRNNCell), "
        "hidden/dense (Sparse), hidden/crelu (CReLU). Install keras_initx where the "
        "model is loaded, or put layers of your own in place of these. What a layer "
        "of your own makes in its code it can take as an argument that its "
        "`get_config` names."
    )
    with refuses(message):
        detach(model)
    assert bits(model) == before


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            None,
            "`detach` needs a `keras.Model`. Received: model=None. Put a layer into a "
            "`keras.Sequential`.",
        ),
        (
            keras.Sequential([layers.Dense(2)], name="empty"),
            "`detach` needs a built model. Received: the model 'empty', which has no "
            "weights yet. Call it on a batch first: then its initializers have drawn, "
            "and do not matter any more.",
        ),
    ],
)
def test_what_is_no_built_model_is_refused(value, message):
    with refuses(message):
        detach(value)


class NoConfig(keras.Model):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def call(self, inputs):
        return self.part(inputs)


def test_a_model_without_a_config_is_refused():
    model = NoConfig(layers.Dense(2, kernel_initializer="sparse"))
    model(INPUTS)
    message = (
        "`detach` needs a model that Keras can save and build again from its config. "
        f"Received: the model '{model.name}', where that fails with "
        "NotImplementedError: Object NoConfig was created by passing non-serializable "
        "argument values in `__init__()`, and therefore the object must override "
        "`get_config()` in order to be serializable. Please implement `get_config()`. "
        "A class of your own needs `get_config`, and sublayers that its `build` "
        "builds; what it needs by name is to be registered with "
        "`keras.saving.register_keras_serializable`."
    )
    with refuses(message):
        detach(model)


class Wider(keras.layers.Layer):
    """Is not what its config says."""

    def __init__(self, width=2, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.width))

    def call(self, inputs):
        return inputs @ self.kernel

    def load_own_variables(self, store):
        """Takes nothing from the file."""


def test_other_variables_are_refused():
    model = sequential(Wider(3, name="wider"))
    model.name = "net"
    Wider.get_config = lambda self: keras.layers.Layer.get_config(self) | {"width": 2}
    message = (
        "`detach` needs a model that its config gives back with the same variables. "
        "Received: the model 'net', whose copy has others. Build the layers of a class "
        "of your own in `build`, always in one order."
    )
    with refuses(message):
        detach(model)


class Swapped(keras.layers.Layer):
    """Tracks its layers in another order when it comes from its config."""

    count = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        names = ["one", "two"] if Swapped.count == 0 else ["two", "one"]
        Swapped.count += 1
        for name in names:
            setattr(self, name, layers.Dense(6, kernel_initializer="glorot_uniform"))

    def build(self, input_shape):
        self.one.build(input_shape)
        self.two.build(input_shape)

    def call(self, inputs):
        return self.one(inputs) - self.two(inputs)


def test_an_order_that_changes_mixes_nothing_up():
    Swapped.count = 0
    model = sequential(Swapped())
    model.name = "net"
    message = (
        "`detach` needs a model that its config gives back with the same variables. "
        "Received: the model 'net', whose copy has the same ones in another order. "
        "Build the layers of a class of your own in `build`, always in one order."
    )
    with refuses(message):
        detach(model)


def test_an_interrupt_leaves_the_model_and_no_file(monkeypatch, tmp_path):
    model = step(compiled(sequential(layers.Dense(2, kernel_initializer="sparse"))))
    before, policy = bits(model), keras.config.dtype_policy()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.saving, "load_model", interrupted)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        detach(model)
    assert bits(model) == before
    assert keras.config.dtype_policy() is policy
    assert not [*tmp_path.iterdir()]
