"""Scale and Shift: one trainable number each."""

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops

from keras_initx.layers import Scale, Shift

X = np.random.default_rng(0).normal(size=(4, 3, 5)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Scale(), X),
        (Scale(0.25), 0.25 * X),
        (Scale(0.0, gradient_scale=0.3), 0 * X),
        (Shift(), X),
        (Shift(0.25, gradient_scale=0.3), X + 0.25),
    ],
)
def test_what_they_compute(layer, expected):
    np.testing.assert_array_equal(to_numpy(layer(X)), expected)
    assert [weight.shape for weight in layer.trainable_weights] == [()]
    assert tuple(layer(keras.KerasTensor((None, 7))).shape) == (None, 7)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("kind", [Scale, Shift])
def test_precisions(kind, policy):
    layer = kind(0.5, gradient_scale=0.5, dtype=policy)
    output = layer(X)
    assert keras.backend.standardize_dtype(output.dtype) == policy.split("_")[-1]
    assert layer.number.dtype == ("bfloat16" if policy == "bfloat16" else "float32")


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_a_scaled_gradient_is_a_learning_rate_of_its_own(optimizer, run_eagerly):
    """Three steps move the numbers a tenth as far as those of a tenth of the rate."""
    momentum = 0.9 if optimizer == "momentum" else 0.0

    def trained(rate, gradient_scale):
        model = keras.Sequential(
            [
                keras.Input((3, 5)),
                Scale(2.0, gradient_scale),
                Shift(0.5, gradient_scale),
            ]
        )
        model.compile(
            keras.optimizers.SGD(rate, momentum), "mse", run_eagerly=run_eagerly
        )
        for _ in range(3):
            model.train_on_batch(X, np.sin(X))
        return [to_numpy(weight) for weight in model.weights]

    slow, scaled = trained(0.01, 1.0), trained(0.1, 0.1)
    np.testing.assert_allclose(scaled, slow, rtol=1e-5)
    assert abs(scaled[0] - 2) > 1e-3


def test_masks_pass():
    embedded = layers.Embedding(5, 4, mask_zero=True)(np.array([[1, 0], [2, 3]]))
    for layer in (Scale(), Shift()):
        np.testing.assert_array_equal(
            to_numpy(layer.compute_mask(embedded, ops.ones((2, 2), "bool"))), True
        )
        assert layer.supports_masking


@pytest.mark.parametrize("kind", [Scale, Shift])
def test_a_saved_model_comes_back(kind, tmp_path):
    model = keras.Sequential([keras.Input((3, 5)), kind(0.3, gradient_scale=0.1)])
    model.layers[0].number.assign(0.7)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].get_config() == model.layers[0].get_config()
    np.testing.assert_array_equal(to_numpy(again(X)), to_numpy(model(X)))


@pytest.mark.parametrize("kind", [Scale, Shift])
def test_bad_arguments_are_refused(kind):
    name = kind.__name__
    with refuses(
        f"`{name}` needs `initial_value` to be a finite number. Received: "
        "initial_value='one'. Pass a float, for example 1.0."
    ):
        kind("one")
    with refuses(
        f"`{name}` needs `gradient_scale` to be a finite number above 0. Received: "
        "gradient_scale=0. Pass a positive float, for example 1.0."
    ):
        kind(gradient_scale=0)
