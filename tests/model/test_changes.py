"""Changes of variables, all or none."""

import contextlib

import keras
import numpy as np
import pytest
from catalogue import to_numpy

from keras_initx._model.changes import Changes


def variables():
    generator = np.random.default_rng(0)
    return [
        keras.Variable(generator.normal(size=(3, 2)), dtype="float32"),
        keras.Variable(generator.normal(size=(2,)), dtype="bfloat16"),
    ]


def test_they_stay():
    first, second = variables()
    with Changes() as changes:
        changes.assign(first, np.ones((3, 2)))
        changes.assign(second, np.ones(2))
    assert to_numpy(first).tolist() == [[1, 1]] * 3
    assert to_numpy(second).tolist() == [1, 1]


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()])
def test_after_an_error_all_is_as_before(error):
    first, second = variables()
    before = [to_numpy(first).tolist(), to_numpy(second).tolist()]

    def change_and_fail():
        with Changes() as changes:
            changes.assign(first, np.ones((3, 2)))
            changes.assign(first, np.zeros((3, 2)))
            changes.remember(second)
            second.assign(second * 3)
            raise error

    with pytest.raises(type(error)):
        change_and_fail()
    assert [to_numpy(first).tolist(), to_numpy(second).tolist()] == before


def test_a_later_error_does_not_undo_what_was_done():
    first, _ = variables()
    changes = Changes()
    with changes:
        changes.assign(first, np.ones((3, 2)))
    with pytest.raises(ValueError, match="later"), changes:
        raise ValueError("later")
    assert to_numpy(first).tolist() == [[1, 1]] * 3


@pytest.mark.parametrize("factors", [np.array(0.7), np.array([[0.5, 2.0]])])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_scaled_variable_is_put_back_bit_for_bit(factors, dtype):
    array = np.random.default_rng(0).normal(size=(3, 2))
    variable, changes = keras.Variable(array, dtype=dtype), Changes()
    before = to_numpy(variable).copy()
    with changes:
        changes.scale(variable, factors)
        changes.scale(variable, factors)
    rounding = 1e-6 if dtype == "float32" else 2**-7
    np.testing.assert_allclose(to_numpy(variable), before * factors**2, rtol=rounding)
    changes.undo()
    np.testing.assert_array_equal(to_numpy(variable), before)


def test_within_an_autocast_scope_the_value_is_not_rounded():
    class Layer(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(3,), initializer="random_normal")

        def call(self, inputs):
            with contextlib.suppress(ValueError), Changes() as changes:
                changes.assign(self.kernel, np.ones(3))
                raise ValueError
            return inputs

    layer = Layer(dtype="mixed_bfloat16")
    layer.build(None)
    before = to_numpy(layer.kernel).tolist()
    layer(np.ones((2, 3)))
    assert to_numpy(layer.kernel).tolist() == before


def test_while_a_layer_runs_in_mixed_precision():
    """There a layer sees a rounded copy of its variables; Keras assigns to it."""
    changes = Changes()

    class Assigns(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(shape=(3,), initializer="zeros")

        def call(self, x):
            changes.assign(self.factor, np.full(3, 1.2345, "float32"))
            return x * self.factor

    layer = Assigns(dtype="mixed_bfloat16")
    layer.build((2, 3))
    output = to_numpy(keras.ops.cast(layer(np.ones((2, 3), "float32")), "float32"))
    np.testing.assert_allclose(output, 1.2345, rtol=2**-8)
    assert to_numpy(layer.factor).tolist() == [float(np.float32(1.2345))] * 3
    changes.undo()
    assert to_numpy(layer.factor).tolist() == [0, 0, 0]
