"""`warm_start` from files: nothing in them runs, nothing outside of them is read."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
import start_models as models
from catalogue import refuses, to_numpy
from keras import layers
from start_models import outputs, randomized, samples, weights_of

from keras_initx import warm_start
from keras_initx.schemes._warm_start.file_layers import file_layers
from keras_initx.schemes._warm_start.model_layers import model_layers
from keras_initx.schemes._warm_start.saved_config import SavedConfig

KINDS = {
    "chain": models.chain,
    "convolutions": models.convolutions,
    "recurrent": models.recurrent,
    "transformer": models.transformer,
    "nested": models.nested,
    "subclassed": models.subclassed,
}
pytestmark = pytest.mark.same_on_each_backend


def saved(model, folder, ending):
    path = folder / f"model{ending}"
    if ending == ".keras":
        model.save(path)
    else:
        shards = {"max_shard_size": 1e-5} if ending == ".weights.json" else {}
        model.save_weights(path, **shards)
    return path


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".weights.json"])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_as_good_as_the_model(name, ending, tmp_path):
    source = randomized(KINDS[name]())
    # Its layers have other numbers.
    model = KINDS[name]()
    report = warm_start(model, saved(source, tmp_path, ending))
    assert report.counts()["taken"] == len(report)
    for one, other in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
    assert report.unused == []


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("convolutions", {"width": 8, "depth": 3}),
        ("transformer", {"width": 16, "heads": 4, "hidden": 24, "depth": 4}),
    ],
)
def test_a_larger_model(name, change, ending, tmp_path):
    source = randomized(KINDS[name]())
    model = KINDS[name](**change)
    warm_start(model, str(saved(source, tmp_path, ending)), seed=1)
    inputs = samples(source)
    expected = outputs(source, inputs)
    error = np.abs(outputs(model, inputs) - expected).max()
    assert error < 1e-5 * max(1.0, np.abs(expected).max())


def places_of(tree, place=""):
    found = {f"{place}/{key}" for key in tree.variables}
    for key, child in tree.children.items():
        found |= places_of(child, f"{place}/{key}")
    return found


@pytest.mark.parametrize("name", KINDS)
def test_a_model_is_read_as_keras_writes_it(name, tmp_path):
    model = KINDS[name]()
    with h5py.File(saved(model, tmp_path, ".weights.h5")) as file:
        in_file = places_of(file_layers([file], SavedConfig()))
    assert places_of(model_layers(model)) == in_file
    assert len(in_file) == len(model.weights)


def test_bfloat16(tmp_path):
    def network(dtype):
        policy = keras.dtype_policies.DTypePolicy(dtype)
        return keras.Sequential(
            [layers.Input((4,)), layers.Dense(5, dtype=policy, name="a")]
        )

    source, model = randomized(network("bfloat16")), network("float32")
    warm_start(model, saved(source, tmp_path, ".weights.h5"))
    for one, other in zip(model.weights, source.weights, strict=True):
        other = to_numpy(keras.ops.cast(other, "float32"))
        np.testing.assert_array_equal(to_numpy(one), other)


def test_a_normalization_without_gamma(tmp_path):
    """The arrays of a file have numbers; its config tells which of them is missing."""

    def network(**arguments):
        norm = layers.BatchNormalization(name="norm", **arguments)
        return keras.Sequential([layers.Input((4,)), norm])

    source, model = randomized(network(scale=False)), network()
    report = warm_start(model, saved(source, tmp_path, ".keras"))
    assert [row.action for row in report] == ["left", "taken", "taken", "taken"]
    np.testing.assert_array_equal(
        to_numpy(model.weights[3]), to_numpy(source.weights[2])
    )
    # Without a config nobody knows, and nothing is taken.
    with pytest.raises(ValueError, match="similar to the model"):
        warm_start(model, saved(source, tmp_path, ".weights.h5"))


# Nothing runs


def rewritten(path, change, name="config.json"):
    """The archive with one of its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members[name] = change(members[name])
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return path


RAN = []


def malicious(config):
    """A config that runs code where it is deserialized, in several ways."""
    config = json.loads(config)
    dense = next(
        each for each in config["config"]["layers"] if each["class_name"] == "Dense"
    )
    ours = {"module": "test_warm_start_files", "registered_name": None}
    dense |= {**ours, "class_name": "Evil", "registered_name": "evil>Evil"}
    dense["config"]["activation"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "eval",
        "registered_name": "function",
    }
    code = {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}}
    lambda_layer = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "evil", "function": code},
        "registered_name": None,
        "name": "evil",
        "inbound_nodes": [],
    }
    config["config"]["layers"].append(lambda_layer)
    return json.dumps(config)


class Evil(layers.Dense):
    @classmethod
    def from_config(cls, config):
        RAN.append(config)
        return super().from_config(config)


def test_nothing_in_a_file_runs(tmp_path, monkeypatch):
    source, model = randomized(models.nested()), models.nested()
    path = rewritten(saved(source, tmp_path, ".keras"), malicious)

    def forbidden(*arguments, **keywords):
        raise AssertionError("something was deserialized")

    for name in ("load_model", "deserialize_keras_object", "load_weights"):
        monkeypatch.setattr(keras.saving, name, forbidden)
    for cls in (layers.Layer, layers.Dense, layers.Lambda, keras.Model):
        monkeypatch.setattr(cls, "from_config", classmethod(forbidden))
    report = warm_start(model, path)
    assert report.counts()["taken"] == len(report)
    assert RAN == []
    inputs = samples(source)
    np.testing.assert_array_equal(outputs(model, inputs), outputs(source, inputs))


@pytest.mark.parametrize("kind", ["SoftLink", "ExternalLink"])
def test_links_are_refused(kind, tmp_path):
    path = saved(randomized(models.nested()), tmp_path, ".weights.h5")
    link = h5py.SoftLink("/vars")
    if kind == "ExternalLink":
        link = h5py.ExternalLink("other.h5", "/x")
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = link
    with refuses(
        "`warm_start` needs a file whose arrays are stored in it. Received: "
        f"'/layers/dense/vars/0', which is a link or dataset of the kind {kind}. Keras "
        "writes no such files: do not use it."
    ):
        warm_start(models.nested(), path)


def test_an_array_that_claims_to_be_huge_is_refused(tmp_path):
    path = saved(randomized(models.nested()), tmp_path, ".weights.h5")
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset(
            "0", shape=(2**17, 2**17), dtype="float32", chunks=(256, 256)
        )
    with refuses(
        "`warm_start` needs a file whose arrays are stored in it. Received: "
        f"'/layers/dense/vars/0' of {2**36} bytes, of which 0 are stored. The file is "
        "broken, or made to fill the memory: do not use it."
    ):
        warm_start(models.nested(), path)


# Files that are none


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".weights.json"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_truncated_file(ending, part, tmp_path):
    path = saved(randomized(models.nested()), tmp_path, ending)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    model = models.nested()
    before = weights_of(model)
    with pytest.raises(ValueError, match="a whole file that Keras has written") as seen:
        warm_start(model, path)
    assert repr(str(path)) in str(seen.value)
    for name, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_arrays_that_cannot_be_read(tmp_path):
    """A damaged part of an HDF5 file is seen only where it is read."""
    source = keras.Sequential([layers.Input((300,)), layers.Dense(300, name="a")])
    path = saved(randomized(source), tmp_path, ".weights.h5")
    with h5py.File(path, "a") as file:
        values = file["layers/dense/vars/0"][()]
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset(
            "0", data=values, chunks=(30, 300), fletcher32=True
        )
        offset = file["layers/dense/vars/0"].id.get_chunk_info(5).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 5] ^= 0xFF
    path.write_bytes(bytes(content))
    model = keras.Sequential([layers.Input((300,)), layers.Dense(300, name="a")])
    before = weights_of(model)
    with pytest.raises(ValueError, match="a whole file that Keras has written"):
        warm_start(model, path)
    for name, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_file_of_another_kind(tmp_path):
    for name, what in (
        ("model.h5", "whose name ends in none of these"),
        ("missing.keras", "which is no file"),
    ):
        path = tmp_path / name
        if name == "model.h5":
            path.write_bytes(b"")
        with refuses(
            "`warm_start` needs `source` to be a Keras model, or a file with the "
            "ending '.keras', '.weights.h5' or '.weights.json'. Received: "
            f"source={str(path)!r}, {what}. Write one with `model.save('model.keras')`."
        ):
            warm_start(models.nested(), path)


def test_a_config_of_another_form(tmp_path):
    """What the config says about names helps, and is not needed."""
    source, model = randomized(models.nested()), models.nested()
    for config in ("[]", "3", '{"config": {"layers": [1, {"name": 2}]}}'):
        path = saved(source, tmp_path, ".keras")
        report = warm_start(model, rewritten(path, lambda _, c=config: c))
        assert report.counts()["taken"] == len(report)


def test_a_quantized_source(tmp_path):
    source = randomized(models.nested())
    source.get_layer("head").quantize("int8")
    path = saved(source, tmp_path, ".keras")
    with pytest.raises(ValueError, match="It comes from a quantized model"):
        warm_start(models.nested(), path)


def test_the_optimizer_of_a_file_is_not_read(tmp_path):
    source = randomized(models.nested())
    source.compile("adam", "mse")
    source.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0)
    report = warm_start(models.nested(), saved(source, tmp_path, ".keras"))
    assert report.unused == []


def test_an_open_file_is_no_source():
    with refuses(
        "`warm_start` needs `source` to be a Keras model or the path of a file. "
        "Received: source=3. Pass the model itself, or for example 'model.keras'."
    ):
        warm_start(models.nested(), 3)
    with pytest.raises(ValueError, match="the path of a file"):
        warm_start(models.nested(), io.BytesIO())
