"""FromArray: the numbers come back, from the config or by their hash."""

import base64
import gc
import json
import zlib

import keras
import numpy as np
import pytest
from catalogue import refuses, run_python, to_numpy
from keras import layers

from keras_initx.initializers import FromArray

ARRAY = np.random.default_rng(0).normal(size=(4, 3))
stored = pytest.mark.parametrize("store", ["config", "hash"])


def model_of(initializer):
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, kernel_initializer=initializer)]
    )


def again(initializer):
    """An initializer from what a file has."""
    config = json.loads(json.dumps(keras.initializers.serialize(initializer)))
    return keras.initializers.get(config)


@pytest.mark.parametrize(
    "given",
    [
        ARRAY,
        ARRAY.astype("float32"),
        ARRAY.astype("float16"),
        np.arange(12).reshape(4, 3),
        ARRAY.T.copy().T,
        ARRAY[::-1],
        ARRAY.astype(">f8"),
        ARRAY.tolist(),
        keras.ops.convert_to_tensor(ARRAY.astype("float32")),
        keras.ops.cast(ARRAY, "bfloat16"),
        keras.Variable(ARRAY.astype("float32")),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}",
)
@stored
def test_a_weight_has_the_numbers(given, store):
    initializer = FromArray(given, store)
    as_tensor = given if isinstance(given, list) else keras.ops.convert_to_numpy(given)
    expected = np.asarray(as_tensor).astype("float32")
    for each in (initializer, again(initializer)):
        np.testing.assert_array_equal(to_numpy(each((4, 3))), expected)


@stored
def test_all_bits_come_back(store):
    """Also those that are no numbers, and both zeros."""
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1 / 3])
    initializer = FromArray(special, store)
    again_ = again(initializer)
    assert again_.draw((7,), "float64").tobytes() == special.tobytes()


def test_it_does_not_follow_the_array_nor_the_weight():
    array = np.ones((4, 3), "float32")
    initializer = FromArray(array)
    array[:] = 7
    layer = layers.Dense(3, kernel_initializer=initializer)
    layer.build((None, 4))
    model = model_of(initializer)
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 4)), np.zeros((2, 3)), verbose=0)
    assert not (to_numpy(model.layers[0].kernel) == 1).any()
    layer.kernel.assign(0.5 * np.ones((4, 3)))
    assert (to_numpy(initializer((4, 3))) == 1).all()


@stored
def test_a_model_comes_back(store, tmp_path):
    initializer = FromArray(ARRAY, store)
    model = model_of(initializer)
    np.testing.assert_allclose(to_numpy(model.layers[0].kernel), ARRAY, rtol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    config = loaded.layers[0].kernel_initializer.get_config()
    assert config == initializer.get_config()
    np.testing.assert_array_equal(
        to_numpy(loaded.layers[0].kernel), to_numpy(model.layers[0].kernel)
    )
    clone = keras.models.clone_model(model)
    np.testing.assert_array_equal(clone.get_weights()[0], model.get_weights()[0])


@stored
def test_attention_copies_it(store):
    layer = layers.MultiHeadAttention(
        1, 4, use_bias=True, bias_initializer=FromArray(np.arange(4.0)[None], store)
    )
    with pytest.raises(ValueError, match="needs a weight with the shape of its array"):
        layer.build((2, 3, 4), (2, 3, 4))
    assert to_numpy(layer.query_dense.bias).tolist() == [[0, 1, 2, 3]]


def test_the_config_is_short():
    array = np.zeros((1000, 1000), "float32")
    assert len(json.dumps(FromArray(array).get_config())) < 10_000
    hashed = FromArray(array, "hash").get_config()
    assert sorted(hashed["array"]) == ["dtype", "sha256", "shape"]
    assert len(json.dumps(hashed)) < 200


LOADING = """
import sys
import keras, numpy as np
import keras_initx
array = np.random.default_rng(0).normal(size=(4, 3))
try:
    keras.models.load_model(sys.argv[1])
except Exception as error:
    print(error)
kept = keras_initx.FromArray(array, store="hash")
model = keras.models.load_model(sys.argv[1])
print(float(abs(keras.ops.convert_to_numpy(model.weights[0]) - array).max()))
"""


def test_another_process_asks_for_the_array(tmp_path):
    file = str(tmp_path / "model.keras")
    model_of(FromArray(ARRAY, "hash")).save(file)
    done = run_python(LOADING, file)
    assert done.returncode == 0, done.stderr
    *asked, error = done.stdout.splitlines()
    assert float(error) < 1e-6
    assert (
        "`FromArray` needs the array itself, of which only the hash was saved. "
        f"Received: sha256={hash_of(ARRAY)!r}, shape=(4, 3). Make `FromArray(array, "
        'store="hash")` of the same array before, and keep this object until the '
        "model is loaded."
    ) in "".join(asked)


def hash_of(array):
    return FromArray(array, "hash").get_config()["array"]["sha256"]


def test_the_array_can_be_given_later():
    array = np.arange(6.0).reshape(2, 3)
    config = FromArray(array, "hash").get_config()
    gc.collect()
    lonely = FromArray.from_config(config)
    assert lonely.get_config() == config
    with pytest.raises(ValueError, match="of which only the hash was saved"):
        lonely((2, 3))
    kept = FromArray(array, "hash")
    np.testing.assert_array_equal(to_numpy(lonely((2, 3))), array)
    del kept


def test_another_array_has_another_hash():
    hashes = [
        hash_of(array)
        for array in (
            ARRAY,
            ARRAY + 1e-15,
            ARRAY.T,
            ARRAY.reshape(3, 4),
            ARRAY.astype("float32"),
            np.zeros((4, 3)),
            np.zeros((4, 3), "int64"),
        )
    ]
    assert len(set(hashes)) == len(hashes)
    assert (
        hash_of(ARRAY.astype(">f8")) == hash_of(np.asfortranarray(ARRAY)) == hashes[0]
    )


GOOD = FromArray(ARRAY).get_config()["array"]
HASHED = FromArray(ARRAY, "hash").get_config()["array"]
LARGE = base64.b64encode(zlib.compress(bytes(10**7))).decode()


@pytest.mark.parametrize(
    "written",
    [
        {},
        {**GOOD, "dtype": "float32"},
        {**GOOD, "dtype": "object"},
        {**GOOD, "dtype": "nothing"},
        {**GOOD, "shape": [4, 4]},
        {**GOOD, "shape": [-1, 3]},
        {**GOOD, "shape": None},
        {**GOOD, "data": GOOD["data"][:-8]},
        # The numbers are there, and their checksum is not whole.
        {**GOOD, "data": GOOD["data"][:-4]},
        {**GOOD, "data": "!" + GOOD["data"]},
        {**GOOD, "data": "eJw" + GOOD["data"][3:40] + "AAAA" + GOOD["data"][44:]},
        {**GOOD, "data": None},
        {"dtype": "int8", "shape": [-1], "data": LARGE},
        {"dtype": "int8", "shape": [5], "data": LARGE},
    ],
)
def test_a_config_that_is_damaged(written):
    with refuses(
        "`FromArray` needs an `array` as its config has it: 'dtype', 'shape' and "
        f"'data'. Received: a dict with {sorted(written)} that cannot be read. Pass "
        "the array itself, or the config that was saved."
    ):
        FromArray(written)


@pytest.mark.parametrize("written", [{"sha256": "0"}, {**HASHED, "sha256": 1}])
def test_a_hash_that_is_damaged(written):
    with refuses(
        "`FromArray` needs an `array` as its config has it: 'dtype', 'shape' and "
        f"'sha256'. Received: a dict with {sorted(written)} that cannot be read. Pass "
        "the array itself, or the config that was saved."
    ):
        FromArray(written, "hash")


@pytest.mark.parametrize(
    ("array", "received"),
    [
        ("abc", "array='abc'"),
        (None, "array=None"),
        ([[1, 2], [3]], "array=[[1, 2], [3]]"),
        (np.ones(3, complex), "dtype=complex128"),
        (np.array(["a", "b"]), "dtype=<U1"),
        (np.ones(3, bool), "dtype=bool"),
    ],
)
def test_what_is_no_array_of_numbers(array, received):
    with refuses(
        f"`FromArray` needs an `array` of real numbers. Received: {received}. Pass a "
        "NumPy array or a tensor of floats."
    ):
        FromArray(array)


def test_a_bad_store():
    with refuses(
        "`FromArray` needs a known `store`. Received: store='file'. Choose one of: "
        "'config', 'hash'."
    ):
        FromArray(ARRAY, "file")
