"""What is written into a config or a file comes back."""

import copy
import inspect
import itertools
import json
import pickle

import keras
import numpy as np
import pytest
from catalogue import CATALOGUE, EXAMPLES, LONG_SHAPE, Row, run_python, to_numpy
from make_saved_models import SAVED, make_model

from keras_initx import ShapedActivation, initializers, lecun_tanh
from keras_initx.layers import CReLU, UnitaryRNNCell

ROWS = CATALOGUE + EXAMPLES


def each(rows):
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


every_class = each(CATALOGUE)
every_random_class = each([row for row in ROWS if row.is_random])
every_argument = pytest.mark.parametrize(
    ("row", "arguments"),
    [(row, each) for row in ROWS for each in ({}, *row.arguments)],
    ids=lambda value: value.name if isinstance(value, Row) else "-".join(value) or "-",
)


def as_written(row, name, value):
    """An argument's value in a config."""
    if name in row.initializer_arguments:
        return keras.initializers.serialize(keras.initializers.get(value))
    return value


def in_numpy(value):
    """The same argument from someone who computes with NumPy."""
    if isinstance(value, list):
        return np.array(value)
    if isinstance(value, int):
        return np.int64(value)
    return np.float32(value) if isinstance(value, float) else value


def assert_equal_kernels(one, other, shape=LONG_SHAPE):
    np.testing.assert_array_equal(to_numpy(one(shape)), to_numpy(other(shape)))


# Configs


@every_argument
@pytest.mark.same_on_each_backend
def test_the_config_is_the_arguments_of_the_constructor(row, arguments):
    parameters = inspect.signature(row.cls).parameters
    given = {**row.required, **arguments}
    expected = {
        name: as_written(row, name, given.get(name, parameter.default))
        for name, parameter in parameters.items()
    }
    config = row.make(**arguments).get_config()
    assert config == expected
    assert json.loads(json.dumps(config)) == config


@every_argument
@pytest.mark.same_on_each_backend
def test_a_config_gives_an_equal_initializer(row, arguments):
    seed = {"seed": 7} if row.is_random else {}
    original = row.make(**{**seed, **arguments})
    config = original.get_config()
    written = json.loads(json.dumps(keras.initializers.serialize(original)))
    for again in (
        row.cls.from_config(config),
        row.cls.from_config(json.loads(json.dumps(config))),
        original.clone(),
        copy.deepcopy(original),
        pickle.loads(pickle.dumps(original)),
        keras.initializers.deserialize(written, {row.name: row.cls}),
    ):
        assert type(again) is row.cls
        assert again is not original
        assert again.get_config() == config
        assert_equal_kernels(again, original, row.long_shape)
    assert row in EXAMPLES or type(keras.initializers.get(written)) is row.cls


@every_class
def test_the_config_is_written_under_our_name(row):
    written = keras.initializers.serialize(row.make())
    assert written["module"] == "keras_initx.initializers"
    assert written["class_name"] == row.name
    assert written["registered_name"] == f"keras_initx>{row.name}"


@every_random_class
def test_a_clone_without_a_seed_is_another_draw(row):
    original, shape = row.typical(), row.short_shape
    assert original.get_config()["seed"] is None
    clone, same = original.clone(), copy.deepcopy(original)
    assert not np.array_equal(to_numpy(clone(shape)), to_numpy(original(shape)))
    assert_equal_kernels(same, original, shape)


@every_random_class
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_a_copy_goes_on_with_its_seed_generator(row, copied):
    original, shape = row.typical(seed=keras.random.SeedGenerator(7)), row.short_shape
    original(shape)
    other = copied(original)
    assert other.get_config() == original.get_config()
    for _ in range(2):
        assert_equal_kernels(other, original, shape)


def test_a_copy_of_looks_linear_copies_a_base_of_keras():
    base = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(7))
    original = initializers.LooksLinear(base)
    assert_equal_kernels(copy.deepcopy(original), original)


@every_argument
@pytest.mark.same_on_each_backend
def test_numbers_of_numpy_become_plain_ones(row, arguments):
    plain = {name: value for name, value in arguments.items() if name != "seed"}
    of_numpy = {name: in_numpy(value) for name, value in plain.items()}
    assert json.dumps(row.make(**of_numpy).get_config()) == json.dumps(
        row.make(**plain).get_config()
    )


@each([row for row in CATALOGUE if row.has_axes])
def test_axes_may_be_a_tuple(row):
    axes = {"input_axes": (-1,), "output_axes": (-2,), "batch_axes": ()}
    config = row.make(**axes).get_config()
    assert {name: config[name] for name in axes} == {
        "input_axes": [-1],
        "output_axes": [-2],
        "batch_axes": [],
    }


@every_random_class
def test_a_seed_generator_is_saved_at_its_start(row):
    original, shape = row.typical(seed=keras.random.SeedGenerator(7)), row.short_shape
    first, second = original(shape), original(shape)
    config = json.loads(json.dumps(original.get_config()))
    again = row.cls.from_config(config)
    np.testing.assert_array_equal(to_numpy(again(shape)), to_numpy(first))
    np.testing.assert_array_equal(to_numpy(again(shape)), to_numpy(second))


@every_random_class
def test_from_config_takes_a_live_seed_generator(row):
    """That is how EinsumDense hands over the seed."""
    generator = keras.random.SeedGenerator(7)
    again = row.cls.from_config({**row.make().get_config(), "seed": generator})
    assert again.seed is generator


@pytest.mark.parametrize(
    "base",
    [
        initializers.OrthogonalDelta(gain=0.5, tap="last", seed=3),
        initializers.LooksLinear(base="sparse", seed=3),
        keras.initializers.HeNormal(seed=3),
        keras.initializers.Constant(0.5),
    ],
    ids=lambda base: type(base).__name__,
)
def test_the_base_of_looks_linear_comes_back(base):
    original = initializers.LooksLinear(base)
    clone = original.clone()
    assert type(clone.base) is type(base)
    assert clone.base.get_config() == base.get_config()
    assert_equal_kernels(clone, original, (2, 8, 6))


# Models

INITIALIZERS = ("kernel_initializer", "recurrent_initializer", "bias_initializer")


def layer_of(row, initializer, name):
    """A layer with this initializer, for inputs of shape `(batch, 4, 4)`."""
    arguments = {"kernel_initializer": initializer, "name": name}
    if row.fills_any_kernel or row.cls is initializers.ICNR:
        return keras.layers.Conv1D(6, 3, **arguments)
    if row.cls is initializers.FromArray:
        return keras.layers.Conv1D(6, 3, **arguments)
    if row.cls is initializers.Bilinear:
        return keras.layers.Conv1DTranspose(6, 4, **arguments)
    if row.cls is initializers.PriorBias:
        return keras.layers.Dense(3, bias_initializer=initializer, name=name)
    if row.ranks == (1,):
        arguments = {"bias_initializer": initializer, "name": name}
        if initializer.layer == "gru":
            return keras.layers.GRU(4, **arguments)
        return keras.layers.LSTM(4, unit_forget_bias=False, **arguments)
    return keras.layers.SimpleRNN(4, recurrent_initializer=initializer, name=name)


def model_of_every_class():
    """Each class with each of its arguments, each short id, and some layers."""
    inputs = keras.Input((4, 4))
    made = [
        layer_of(row, row.make(**arguments), f"{row.name}_{index}")(inputs)
        for row in CATALOGUE
        for index, arguments in enumerate(row.arguments)
    ]
    made += [
        layer_of(row, short_id, short_id)(inputs)
        for row in CATALOGUE
        for short_id in row.ids
    ]
    convolved = [output for output in made if tuple(output.shape[1:]) == (2, 6)]
    outputs = CReLU()(keras.layers.Average()(convolved))
    outputs = CReLU(axis=1, name="doubled_in_time")(outputs)
    cell = UnitaryRNNCell(4, seed=1, name="cell")
    unitary = keras.layers.RNN(cell, name="unitary_cell")(inputs)
    constrained = keras.layers.LSTM(
        4, recurrent_constraint="orthonormal", name="orthonormal"
    )(inputs)
    others = [output for output in made if tuple(output.shape[1:]) != (2, 6)]
    flat = [keras.layers.Flatten()(o) for o in (outputs, unitary, constrained, *others)]
    return keras.Model(inputs, keras.layers.Concatenate()(flat))


def configs_of(model):
    """What is written about each initializer and CReLU layer of the model."""
    return {
        layer.name: (
            type(layer).__name__,
            *(
                keras.saving.serialize_keras_object(getattr(layer, name, None))
                for name in (*INITIALIZERS, "recurrent_constraint")
            ),
            layer.get_config() if isinstance(layer, CReLU) else None,
        )
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    }


def example_inputs():
    return np.random.default_rng(0).normal(size=(2, 4, 4)).astype("float32")


def save_and_load(model, folder, suffix):
    file = folder / f"model{suffix}"
    keras.saving.save_model(model, file)
    return keras.saving.load_model(file)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_saved_model_comes_back(suffix, tmp_path):
    model = model_of_every_class()
    loaded = save_and_load(model, tmp_path, suffix)
    assert configs_of(loaded) == configs_of(model)
    for weight, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(other), to_numpy(weight))
    inputs = example_inputs()
    np.testing.assert_array_equal(
        loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
    )


def through_json(model):
    return keras.models.model_from_json(model.to_json())


@pytest.mark.parametrize("copy_of", [through_json, keras.models.clone_model])
def test_a_copied_model_has_equal_initializers(copy_of):
    model = model_of_every_class()
    again = copy_of(model)
    assert configs_of(again) == configs_of(model)
    for layer, other in zip(model.layers, again.layers, strict=True):
        for name in INITIALIZERS:
            initializer = getattr(layer, name, None)
            if type(initializer).__module__ != "keras_initx.initializers":
                continue
            has_seed = initializer.get_config().get("seed", 0) is not None
            holder, again = (getattr(each, "cell", each) for each in (layer, other))
            weight = name.replace("_initializer", "")
            weight = "recurrent_kernel" if weight == "recurrent" else weight
            one, two = (to_numpy(getattr(each, weight)) for each in (holder, again))
            assert np.array_equal(one, two) or not has_seed


def test_saved_weights_come_back(tmp_path):
    model = model_of_every_class()
    other = keras.models.clone_model(model)
    file = tmp_path / "model.weights.h5"
    model.save_weights(file)
    other.load_weights(file)
    for weight, loaded in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(loaded), to_numpy(weight))


# Other backends, and without us


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_a_model_saved_on_any_backend_loads_here(backend):
    expected = np.load(SAVED / "expected.npz")
    model = keras.saving.load_model(SAVED / f"{backend}.keras")
    outputs = model.predict(expected["inputs"], verbose=0)
    np.testing.assert_allclose(outputs, expected[backend], rtol=1e-5, atol=1e-5)
    assert list(configs_of(model).values()) == list(configs_of(make_model()).values())


WITHOUT_US = """
import json, sys
import keras

configs, activations, files = json.loads(sys.argv[1])
attempts = [
    *((keras.saving.deserialize_keras_object, config) for config in configs),
    *((keras.initializers.get, config) for config in configs),
    *((keras.activations.get, config) for config in activations),
    *((keras.saving.load_model, file) for file in files),
]
results = []
for load, source in attempts:
    try:
        results.append(f"loaded a {type(load(source)).__name__}")
    except Exception as error:
        results.append(f"{type(error).__name__}: {error}")
assert not any(name.startswith("keras_initx") for name in sys.modules)
print(json.dumps(results))
"""


@pytest.mark.same_on_each_backend(every=9)
def test_nothing_of_ours_loads_silently_without_us(tmp_path):
    configs = [keras.initializers.serialize(row.make()) for row in CATALOGUE]
    configs.append(keras.saving.serialize_keras_object(CReLU()))
    model = make_model()
    files = [str(tmp_path / "model.keras"), str(tmp_path / "model.h5")]
    for file in files:
        model.save(file)
    activations = [
        keras.activations.serialize(lecun_tanh),
        "lecun_tanh",
        keras.activations.serialize(ShapedActivation("tanh")),
    ]
    done = run_python(WITHOUT_US, json.dumps([configs, activations, files]))
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    names = [config["class_name"] for config in configs]
    names = [*names, *names, "lecun_tanh", "lecun_tanh", "ShapedActivation"]
    assert len(results) == len(names) + len(files)
    for result, name in itertools.zip_longest(results, names, fillvalue=""):
        assert result.startswith(("TypeError:", "ValueError:"))
        assert name in result
