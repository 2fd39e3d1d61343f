"""The callback LSUV on several devices: one initialization, by the whole batch."""

import json

import pytest
from catalogue import BACKEND, run_python
from several_devices import COMMON

MIRRORED = (
    """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
"""
    + COMMON
    + """
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2


def replicas(variable):
    parts = strategy.experimental_local_results(variable.value)
    return [part.numpy() for part in parts]


with strategy.scope():
    without, model, broken = make(), make(), make()
results = {"without": fit(without, []), "with": fit(model, [ours := callback()])}
plain = make()
results["plain"] = fit(plain, [expected := callback()])
both = [replicas(weight) for weight in model.trainable_weights]
before = [replicas(weight) for weight in broken.weights]
nan = x.copy()
nan[BATCH - 1] = np.nan
try:
    fit(broken, [callback()], nan)
except ValueError as error:
    results["error"] = str(error)
after = [replicas(weight) for weight in broken.weights]
np.testing.assert_equal(after, before)
"""
)

SHARDED = (
    """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
"""
    + COMMON
    + """
import jax, logging
from keras import distribution


class Compilations(logging.Handler):
    count = 0

    def emit(self, record):
        message = record.getMessage()
        self.count += "Compiling" in message and "train_step" in message


def counted(*arguments):
    handler = Compilations()
    logger = logging.getLogger("jax")
    logger.addHandler(handler)
    logger.propagate = False
    with jax.log_compiles():
        result = fit(*arguments)
    logger.removeHandler(handler)
    return {**result, "compilations": handler.count}


plain = make()
results = {"plain": fit(plain, [expected := callback()])}
with distribution.DataParallel(devices=distribution.list_devices()).scope():
    assert len(distribution.list_devices()) == 2
    without, model = make(), make()
    results["without"] = counted(without, [])
    results["with"] = counted(model, [ours := callback()])
both = [
    [np.asarray(shard.data) for shard in weight.value.addressable_shards]
    for weight in model.trainable_weights
]
"""
)

COMPARED = """
results["replicas"] = [len(each) for each in both]
results["difference"] = max(float(np.abs(a - b).max()) for a, b in both)
results["error of weights"] = max(
    float(np.abs(a - weight.numpy()).max())
    for (a, _), weight in zip(both, plain.trainable_weights, strict=True)
)
results["rows"] = [
    [[row.std_before, row.std_after, row.factor, row.mean] for row in each.report]
    for each in (ours, expected)
]
print(json.dumps(results))
"""


def run(script, rate=0.05, batches=1):
    ran = run_python(script + COMPARED, json.dumps([rate, batches]))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def check(results):
    assert results["replicas"] == [2] * 6
    assert results["difference"] == 0
    ours, expected = results["rows"]
    for row, other in zip(ours, expected, strict=True):
        assert row == pytest.approx(other, abs=1e-5)
    with_callback, without = results["with"], results["without"]
    names = ("traces", "iterations", "compilations")
    assert {n: with_callback[n] for n in names if n in without} == {
        n: without[n] for n in names if n in without
    }


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute is for TensorFlow")
@pytest.mark.parametrize("batches", [1, 2])
def test_mirrored_strategy(batches):
    results = run(MIRRORED, rate=0.0, batches=batches)
    check(results)
    # The kernels right after the initialization.
    assert results["error of weights"] < 1e-5
    assert "NaN or infinity in the batch" in results["error"]


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is for JAX")
def test_data_parallel():
    results = run(SHARDED)
    check(results)
    assert results["error of weights"] < 1e-5
    assert results["with"]["loss"] == pytest.approx(results["plain"]["loss"], rel=1e-4)
