import gc
import json
import random
import re
import threading
import warnings

import keras
import numpy as np
import pytest
from catalogue import BACKEND, OTHER_DTYPES, run_python, to_numpy
from keras import initializers, layers

import keras_initx
from keras_initx import skip_init
from keras_initx.config._skip import untouched

X, Y = np.zeros((2, 4)), np.zeros((2, 3))


def small(width=3, **arguments):
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, name="one", **arguments),
            layers.Dense(width, name="two"),
        ],
        name="small",
    )


def skipped(*args, **arguments):
    with skip_init():
        model = small(*args, **arguments)
    model.compile("sgd", "mse")
    return model


def message(*paths):
    """The warning, whole."""
    return (
        "`skip_init` has left weights at zero, and now they are trained: "
        f"{', '.join(paths)}. Units that start equal stay equal. Before training, load "
        "a checkpoint, for example by `model.load_weights(path)`, or draw the weights "
        "by `keras_initx.schemes.reinitialize(model)`."
    )


def warns(*paths):
    return pytest.warns(UserWarning, match=rf"\A{re.escape(message(*paths))}\Z")


KERNELS = "small/one/kernel", "small/two/kernel"


@pytest.fixture(autouse=True)
def no_marks_of_other_tests():
    """Their models may not have been collected yet."""
    untouched._unmark(*untouched._marks)


def methods():
    """What the context stands around."""
    places = {
        keras.layers.Layer: ["add_weight", "__new__"],
        keras.Model: ["fit", "train_on_batch"],
        keras.optimizers.Optimizer: ["apply"],
        keras.Variable: ["assign"],
    }
    return [vars(cls).get(name) for cls, names in places.items() for name in names]


# What is zero


def every_kind():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(7, 6)(inputs)
    x = layers.MultiHeadAttention(2, 3)(x, x)
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.GRU(6, return_sequences=True, bias_initializer="ones")(x)
    x = layers.BatchNormalization()(layers.SeparableConv1D(6, 3)(x))
    x = layers.LayerNormalization()(x)
    x = layers.Dense(6, kernel_initializer="identity", name="constant_1")(x)
    x = layers.Dense(6, kernel_initializer="orthogonal_delta")(x)
    gate = keras_initx.GateIdentity()
    x = layers.Dense(6, kernel_initializer=gate, name="constant_2")(x)
    x = layers.Dense(3, bias_initializer="he_normal", name="random")(x)
    return keras.Model(inputs, x)


def is_constant(path):
    """By the definitions of the layers above."""
    constants = ("bias", "gamma", "beta", "moving_mean", "moving_variance")
    is_constant = path.split("/")[-1] in constants or path.startswith("constant")
    return is_constant and path != "random/bias"


def test_random_weights_are_zero_and_constants_are_right():
    plain = every_kind()
    with skip_init():
        model = every_kind()
    assert len(model.weights) == len(plain.weights)
    for weight, expected in zip(model.weights, plain.weights, strict=True):
        assert weight.name == expected.name
        assert weight.dtype == expected.dtype
        assert weight.trainable == expected.trainable
        value = to_numpy(weight)
        assert value.shape == tuple(expected.shape)
        if is_constant(weight.path):
            np.testing.assert_array_equal(value, to_numpy(expected))
        else:
            assert not value.any(), weight.path
            assert to_numpy(expected).any()


@pytest.mark.parametrize("dtype", [*OTHER_DTYPES, "mixed_bfloat16"])
def test_other_dtypes(dtype):
    with skip_init():
        layer = layers.Dense(3, dtype=dtype)
        layer.build((None, 4))
    assert layer.kernel.dtype == keras.DTypePolicy(dtype).variable_dtype
    assert not to_numpy(layer.kernel).any()
    layer.kernel.assign(np.ones((4, 3)))
    assert to_numpy(layer(np.ones((1, 4)))).tolist() == [[4, 4, 4]]


class Own(layers.Layer):
    def build(self, shape):
        def ramp(shape, dtype=None):
            return keras.ops.reshape(keras.ops.arange(6, dtype=dtype), shape)

        self.default = self.add_weight(shape=(2, 3), name="default")
        self.drawn = self.add_weight((2, 3), "random_normal", name="drawn")
        self.function = self.add_weight(shape=(2, 3), initializer=ramp)
        self.count = self.add_weight(shape=(), dtype="int32", trainable=False)
        self.empty = self.add_weight(shape=(0, 3), name="empty")


def test_weights_of_a_layer_of_ones_own():
    with skip_init():
        layer = Own()
        layer.build((None, 2))
    assert not to_numpy(layer.default).any()
    assert not to_numpy(layer.drawn).any()
    assert to_numpy(layer.function).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (to_numpy(layer.count), tuple(layer.empty.shape)) == (0, (0, 3))
    with skip_init(), pytest.raises(ValueError, match="`name` must be passed as a"):
        layer.add_weight("name")


def test_no_number_is_drawn(monkeypatch, drawn_seeds):
    def refuse(self, shape, dtype=None):
        raise AssertionError

    for cls in (initializers.VarianceScaling, initializers.Orthogonal):
        monkeypatch.setattr(cls, "__call__", refuse)
    skipped(kernel_initializer="haar_orthogonal")
    assert drawn_seeds == []


def test_the_seeds_of_later_draws_are_those_without_the_context():
    def state_after(context):
        keras.utils.set_random_seed(3)
        with context:
            model = keras.Sequential(
                [keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5), Own()]
            )
        return random.getstate(), model.layers[1].seed_generator.get_config()["seed"]

    def nothing():
        return keras.name_scope("nothing")

    assert state_after(skip_init()) == state_after(nothing())


def test_configs_name_the_initializers(tmp_path):
    model = skipped(kernel_initializer=initializers.HeNormal(seed=3))
    expected = small(kernel_initializer=initializers.HeNormal(seed=3))
    config = model.layers[0].get_config()
    assert config["kernel_initializer"]["config"]["seed"] == 3
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = type(loaded.layers[0]).from_config(loaded.layers[0].get_config())
    again.build((None, 4))
    np.testing.assert_array_equal(
        to_numpy(again.kernel), to_numpy(expected.layers[0].kernel)
    )


# Checkpoints


def test_a_checkpoint_fills_the_model_and_nothing_warns(tmp_path):
    source = small()
    source.compile("sgd", "mse")
    source.save_weights(tmp_path / "m.weights.h5")
    source.save(tmp_path / "m.keras")
    before = methods()
    by_file, by_list, by_value = (skipped() for _ in range(3))
    assert methods() != before
    by_file.load_weights(tmp_path / "m.weights.h5")
    by_list.set_weights(source.get_weights())
    for weight, value in zip(by_value.weights, source.weights, strict=True):
        weight.assign(to_numpy(value))
    with skip_init():
        by_model = keras.saving.load_model(tmp_path / "m.keras")
    by_model.compile("sgd", "mse")
    assert methods() == before
    for model in (by_file, by_list, by_value, by_model):
        for weight, expected in zip(model.weights, source.weights, strict=True):
            np.testing.assert_array_equal(to_numpy(weight), to_numpy(expected))
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            model.fit(X, Y, verbose=0)


def test_zeros_that_were_assigned_are_no_fault():
    model = skipped()
    model.set_weights([np.zeros(w.shape) for w in model.weights])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(X, Y, verbose=0)


def test_values_that_came_past_keras_are_no_fault():
    model = skipped()
    for layer in model.layers:
        # As `torch.nn.Module.load_state_dict` and `tf.train.Checkpoint` do.
        value = keras.ops.convert_to_tensor(np.ones(layer.kernel.shape, "float32"))
        if BACKEND == "torch":
            layer.kernel.value.data.copy_(value)
        elif BACKEND == "tensorflow":
            layer.kernel.value.assign(value)
        else:
            layer.kernel._value = value
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(X, Y, verbose=0)


def test_a_new_head_is_named(tmp_path):
    source = small()
    source.compile("sgd", "mse")
    source.save_weights(tmp_path / "m.weights.h5")
    model = skipped(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    with warns("small/two/kernel"):
        model.fit(X, np.zeros((2, 5)), verbose=0)


# Training


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_training_untouched_weights_warns_once(method):
    before = methods()
    model = skipped()
    arguments = {"verbose": 0} if method == "fit" else {}
    with warns(*KERNELS) as caught:
        getattr(model, method)(X, Y, **arguments)
    found = [w for w in caught if "skip_init" in str(w.message)]
    assert [w.filename for w in found] == [__file__]
    assert methods() == before
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        getattr(model, method)(X, Y, **arguments)


def test_many_weights_are_counted():
    with skip_init():
        model = keras.Sequential(
            [keras.Input((4,)), *(layers.Dense(3, name=name) for name in "abcde")],
            name="m",
        )
    model.compile("sgd", "mse")
    with warns("m/a/kernel", "m/b/kernel", "m/c/kernel and 2 more"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("is_built", [True, False])
def test_a_loop_of_ones_own_warns(is_built):
    model, optimizer = skipped(), keras.optimizers.SGD()
    gradients = [keras.ops.ones(v.shape) for v in model.trainable_variables]
    if is_built:
        optimizer.build(model.trainable_variables)
    with warns(*KERNELS):
        optimizer.apply(gradients, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    assert to_numpy(model.layers[0].kernel).all()


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs its loops eagerly")
def test_a_compiled_loop_warns():
    model, optimizer = skipped(), keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    gradients = [keras.ops.ones(v.shape) for v in model.trainable_variables]

    def step():
        if BACKEND == "tensorflow":
            optimizer.apply(gradients, model.trainable_variables)
            return 0
        return optimizer.stateless_apply(
            [v.value for v in optimizer.variables],
            gradients,
            [v.value for v in model.trainable_variables],
        )

    if BACKEND == "tensorflow":
        import tensorflow as tf  # noqa: TID251

        compiled = tf.function(step, autograph=False)
    else:
        import jax  # noqa: TID251

        compiled = jax.jit(step)
    with warns(*KERNELS):
        compiled()


def test_what_fit_builds_is_drawn():
    model = keras.Sequential([layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    with skip_init(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(X, Y, verbose=0)
    assert to_numpy(model.layers[0].kernel).all()


def test_predictions_do_not_warn():
    model = skipped()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.predict(X, verbose=0)
        model.evaluate(X, Y, verbose=0)


# What is left of it


def test_a_model_that_is_deleted_leaves_nothing():
    before = methods()
    with skip_init():
        layer = layers.Dense(3)
        layer.build((None, 4))
    assert methods() != before
    del layer
    gc.collect()
    assert methods() == before


def test_nothing_is_left_after_the_context_and_after_an_error():
    before = methods()
    with pytest.raises(ValueError, match="units"), skip_init():
        layers.Dense(-2)
    assert methods() == before
    layer = layers.Dense(3)
    with skip_init():
        pass
    layer.build((None, 4))
    assert to_numpy(layer.kernel).all()


def test_the_context_holds_for_its_thread():
    found = []

    def other():
        layer = layers.Dense(3)
        layer.build((None, 4))
        found.append(bool(to_numpy(layer.kernel).all()))

    with skip_init():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == [True]


def test_it_is_a_decorator_and_stands_beside_other_defaults():
    @skip_init()
    @keras_initx.default_initializers(kernel="he_normal", bias="ones")
    def make():
        return small()

    before = methods()
    model = make()
    for layer in model.layers:
        assert type(layer.kernel_initializer) is initializers.HeNormal
        assert not to_numpy(layer.kernel).any()
        assert (to_numpy(layer.bias) == 1).all()
        layer.kernel.assign(np.ones(layer.kernel.shape))
    assert methods() == before


def test_new_weights_are_not_shared():
    model = skipped()
    one, two = model.layers
    one.kernel.assign_add(np.ones((4, 3)))
    assert not to_numpy(two.kernel).any()
    assert (to_numpy(one.kernel) == 1).all()
    two.kernel.assign(np.ones((3, 3)))


# A process of its own, because the number of devices is fixed when JAX starts.
SHARDED = """
import json, os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import keras, keras_initx
import numpy as np
from keras import distribution

devices = distribution.list_devices()
mesh = distribution.DeviceMesh((2, 4), ["batch", "model"], devices)
layout_map = distribution.LayoutMap(mesh)
layout_map[".*kernel"] = (None, "model")
parallel = distribution.ModelParallel(layout_map=layout_map, batch_dim_name="batch")
found = []
# Keras compiles the initializer of the second kernel.
for shape in ((64, 128), (2048, 4096)):
    with parallel.scope(), keras_initx.skip_init():
        layer = keras.layers.Dense(shape[1])
        layer.build((None, shape[0]))
        kernel = layer.kernel.value
    found.append([list(kernel.sharding.spec), bool(np.asarray(kernel).any())])
print(json.dumps(found))
"""


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is for JAX")
def test_sharded_weights_are_laid_out_as_the_layout_map_says():
    ran = run_python(SHARDED)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found == [[[None, "model"], False]] * 2
