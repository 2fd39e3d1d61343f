"""Sharded variables: the values of unsharded ones, laid out as the layout map says."""

import functools
import json

import pytest
from catalogue import BACKEND, run_python

# Keras compiles the initializer of a kernel from 31.25 MiB on, with eight devices.
SMALL, LARGE = (64, 128), (2048, 4096)

# A process of its own, because the number of devices is fixed when JAX starts.
SCRIPT = """
import json, os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
# Without optimizations the large kernels would take long.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "0"
import keras
import numpy as np
from keras import distribution
from catalogue import CATALOGUE

rows = {row.name: row for row in CATALOGUE}
devices = distribution.list_devices()
assert len(devices) == 8
mesh = distribution.DeviceMesh((2, 4), ["batch", "model"], devices)
layout_map = distribution.LayoutMap(mesh)
layout_map[".*kernel"] = (None, "model")
kinds = {
    "ModelParallel": distribution.ModelParallel(
        layout_map=layout_map, batch_dim_name="batch"
    ),
    "DataParallel": distribution.DataParallel(devices=devices),
}
seeds = {"int": lambda: 5, "generator": lambda: keras.random.SeedGenerator(5)}


def dense(name, of_seed, shape):
    initializer = rows[name].make(seed=seeds[of_seed]())
    layer = keras.layers.Dense(shape[1], kernel_initializer=initializer)
    layer.build((None, shape[0]))
    return layer


def result(name, kind, of_seed, shape):
    plain = np.asarray(dense(name, of_seed, shape).kernel.value)
    with kinds[kind].scope():
        layer = dense(name, of_seed, shape)
        kernel = layer.kernel.value
        rows_of = {shard.data.shape for shard in kernel.addressable_shards}
        output = layer(np.ones((8, shape[0]), "float32"))
        generator = layer.kernel_initializer.seed
        if of_seed == "generator":
            # A tracer that leaked into the generator would fail here.
            keras.random.normal((2,), seed=generator)
    return {
        "spec": [axis for axis in kernel.sharding.spec],
        "shards": [list(rows) for rows in rows_of],
        "error": float(np.abs(np.asarray(kernel) - plain).max()),
        "is_finite": bool(np.isfinite(np.asarray(output)).all()),
        "is_zero": not plain.any(),
    }


print(json.dumps([result(*case) for case in json.loads(sys.argv[1])]))
"""

pytestmark = pytest.mark.skipif(
    BACKEND != "jax", reason="keras.distribution is for JAX"
)


CASES = [
    *(
        ("HaarOrthogonal", kind, "int", shape)
        for kind in ("ModelParallel", "DataParallel")
        for shape in (SMALL, LARGE)
    ),
    *(
        (name, "ModelParallel", "int", LARGE)
        for name in ("ConvolutionOrthogonal", "Sparse", "RandomWalk")
    ),
    # Keras's own initializers leak a tracer into a generator where they are compiled.
    *(("HaarOrthogonal", "ModelParallel", "generator", s) for s in (SMALL, LARGE)),
]


@functools.cache
def results():
    """Those of all cases, from one process: it takes long to start."""
    ran = run_python(SCRIPT, json.dumps(CASES))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_a_sharded_kernel_has_the_values_of_an_unsharded_one(case):
    _, kind, _, shape = case
    check(results()[CASES.index(case)], kind, shape)


def check(result, kind, shape):
    columns = shape[1] // 4 if kind == "ModelParallel" else shape[1]
    assert result["spec"] == [None, "model" if kind == "ModelParallel" else None]
    assert result["shards"] == [[shape[0], columns]]
    assert result["error"] < 1e-5
    assert result["is_finite"]
    assert not result["is_zero"]
