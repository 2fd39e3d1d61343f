"""New weights on several devices: those of one device, and placed as before."""

import json

import pytest
from catalogue import BACKEND, run_python
from several_devices import COMMON

# Each fold draws the weights and trains them.
FOLDS = """
def weights(model):
    return [np.asarray(keras.ops.convert_to_numpy(w)).tolist() for w in model.weights]


def make():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    x = layers.Dense(8, "tanh", name="hidden")(inputs)
    x = layers.Dropout(0.1, seed=1)(layers.BatchNormalization()(x))
    model = Watched(inputs, layers.Dense(1, name="head")(x))
    model.compile("adam", "mse")
    return model


def folds(model):
    found = []
    for seed in range(2):
        keras_initx.reinitialize(model, {"*/kernel": "he_normal"}, seed=seed)
        found.append(weights(model))
        result = fit(model, [])
        assert result["traces"] == (1 if seed == 0 else 0) or not is_traced, result
    return found
"""

MIRRORED = (
    """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
"""
    + COMMON
    + "is_traced = False\n"
    + FOLDS
    + """
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = make()
results = folds(model)
# Training leaves replicas of a moving mean that differ.
keras_initx.reinitialize(model)
for weight in model.weights:
    one, other = strategy.experimental_local_results(weight.value)
    assert np.array_equal(one.numpy(), other.numpy()), weight.path
for ours, expected in zip(results, folds(make()), strict=True):
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(one, other)
print("equal")
"""
)

SHARDED = (
    """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
"""
    + COMMON
    + "is_traced = True\n"
    + FOLDS
    + """
from keras import distribution

plain = folds(make())
mesh = distribution.DeviceMesh((1, 2), ["batch", "model"], distribution.list_devices())
layout = distribution.LayoutMap(mesh)
layout[".*hidden/kernel"] = (None, "model")
layout[".*head/kernel"] = ("model", None)
with distribution.ModelParallel(layout_map=layout, batch_dim_name="batch").scope():
    model = make()
    before = [weight.value.sharding for weight in model.weights]
    results = folds(model)
    assert [weight.value.sharding for weight in model.weights] == before
np.testing.assert_equal(results, plain)
print("equal")
"""
)
SCRIPTS = {"tensorflow": MIRRORED, "jax": SHARDED}


@pytest.mark.skipif(BACKEND not in SCRIPTS, reason="PyTorch has no such distribution")
def test_several_devices_get_the_weights_of_one():
    ran = run_python(SCRIPTS[BACKEND], json.dumps([0.1, 1]))
    assert ran.returncode == 0, ran.stderr
    assert "equal" in ran.stdout
