"""Sharded variables: the values of unsharded ones, laid out as the layout map says."""

import json

import pytest
from catalogue import BACKEND, run_python

# Keras compiles the initializer of a kernel from 31.25 MiB on, with eight devices.
SMALL, LARGE = (64, 128), (2048, 4096)

# A process of its own, because the number of devices is fixed when JAX starts.
SCRIPT = """
import json, os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import keras
import numpy as np
from keras import distribution
from catalogue import CATALOGUE

rows = {row.name: row for row in CATALOGUE}
name, kind, of_seed, shape = json.loads(sys.argv[1])
seed = {"int": lambda: 5, "generator": lambda: keras.random.SeedGenerator(5)}[of_seed]


def dense():
    initializer = rows[name].cls(seed=seed())
    layer = keras.layers.Dense(shape[1], kernel_initializer=initializer)
    layer.build((None, shape[0]))
    return layer


plain = np.asarray(dense().kernel.value)
devices = distribution.list_devices()
assert len(devices) == 8
if kind == "ModelParallel":
    mesh = distribution.DeviceMesh((2, 4), ["batch", "model"], devices)
    layout_map = distribution.LayoutMap(mesh)
    layout_map[".*kernel"] = (None, "model")
    chosen = distribution.ModelParallel(layout_map=layout_map, batch_dim_name="batch")
else:
    chosen = distribution.DataParallel(devices=devices)
with chosen.scope():
    layer = dense()
    kernel = layer.kernel.value
    rows_of = {shard.data.shape for shard in kernel.addressable_shards}
    output = layer(np.ones((8, shape[0]), "float32"))
    generator = layer.kernel_initializer.seed
    if of_seed == "generator":
        # A tracer that leaked into the generator would fail here.
        keras.random.normal((2,), seed=generator)
print(json.dumps({
    "spec": [axis for axis in kernel.sharding.spec],
    "shards": [list(rows) for rows in rows_of],
    "error": float(np.abs(np.asarray(kernel) - plain).max()),
    "is_finite": bool(np.isfinite(np.asarray(output)).all()),
    "is_zero": not plain.any(),
}))
"""

pytestmark = pytest.mark.skipif(
    BACKEND != "jax", reason="keras.distribution is for JAX"
)


def sharded(name, kind, shape, seed="int"):
    ran = run_python(SCRIPT, json.dumps([name, kind, seed, shape]))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def check(result, kind, shape):
    columns = shape[1] // 4 if kind == "ModelParallel" else shape[1]
    assert result["spec"] == [None, "model" if kind == "ModelParallel" else None]
    assert result["shards"] == [[shape[0], columns]]
    assert result["error"] < 1e-5
    assert result["is_finite"]
    assert not result["is_zero"]


@pytest.mark.parametrize("kind", ["ModelParallel", "DataParallel"])
@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=["eager", "compiled"])
def test_a_sharded_kernel_has_the_values_of_an_unsharded_one(kind, shape):
    check(sharded("HaarOrthogonal", kind, shape), kind, shape)


@pytest.mark.parametrize("name", ["ConvolutionOrthogonal", "Sparse", "RandomWalk"])
def test_other_classes_too(name):
    check(sharded(name, "ModelParallel", LARGE), "ModelParallel", LARGE)


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=["eager", "compiled"])
def test_a_generator_survives(shape):
    """Keras's own initializers leak a tracer into it where they are compiled."""
    result = sharded("HaarOrthogonal", "ModelParallel", shape, "generator")
    check(result, "ModelParallel", shape)
