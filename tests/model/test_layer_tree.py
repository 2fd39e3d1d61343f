"""Where layers stand in a model, and under which names."""

import keras
import numpy as np
from catalogue import to_numpy
from keras import layers

from keras_initx._model.layer_tree import kept_states, layer_tree, own_variables
from keras_initx._model.model_variables import model_variables


def build():
    inputs = keras.Input((3, 4))
    inner = keras.Sequential([layers.Dense(4), layers.Dense(4, name="mine_7")])
    x = inner(layers.Dense(4)(inputs))
    x = layers.MultiHeadAttention(2, 2)(x, x)
    return keras.Model(inputs, layers.Bidirectional(layers.GRU(5))(layers.Dense(4)(x)))


def test_paths_do_not_depend_on_what_was_built_before():
    build()
    paths = [place.path for place in layer_tree(build()) if own_variables(place.layer)]
    assert paths == [
        "dense",
        "sequential/dense",
        "sequential/mine_7",
        "multi_head_attention/query",
        "multi_head_attention/key",
        "multi_head_attention/value",
        "multi_head_attention/attention_output",
        "dense_1",
        "bidirectional/forward_gru/gru_cell",
        "bidirectional/backward_gru/gru_cell",
    ]


def test_each_layer_has_one_place_and_its_parents():
    shared = layers.Dense(4)
    inner = keras.Sequential([keras.Input((4,)), shared], name="inner")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(shared(inputs)))
    places = [place for place in layer_tree(model) if place.layer is shared]
    assert [place.parents for place in places] == [(model,)]
    (below,) = [place for place in layer_tree(model) if place.layer is inner]
    assert below.parents == (model,)


def test_own_variables_and_states():
    layer = layers.LSTM(3, stateful=True, dropout=0.5)
    layer(np.ones((2, 4, 5), "float32"))
    assert own_variables(layer) == []
    assert {v.name for v in own_variables(layer.cell)} == {
        "kernel",
        "recurrent_kernel",
        "bias",
        "seed_generator_state",
    }
    assert [to_numpy(state).shape for state in kept_states(layer)] == [(2, 3)] * 2
    assert kept_states(layers.Dense(3)) == []


class Twice(layers.Layer):
    """Two variables of one name."""

    def build(self, shape):
        self.one = self.add_weight((2, 3), name="kernel")
        self.other = self.add_weight((2, 3), name="kernel")
        self.unnamed = [self.add_weight((1,)) for _ in range(2)]


def test_variables_of_one_name_have_different_paths():
    layer = Twice(name="twice")
    layer.build((None, 2))
    paths = [each.path for each in model_variables(layer)]
    assert paths == ["kernel", "kernel_1", "variable", "variable_1"]


def test_kernels_and_their_blocks():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Embedding(7, 8),
            layers.Reshape((6, 8, 1)),
            layers.ConvLSTM1D(5, 3),
            layers.SeparableConv1D(4, 2),
            layers.GRU(3),
            layers.Dense(2),
        ]
    )
    found = {
        each.path.split("/", 1)[0] + " " + each.variable.name: each
        for each in model_variables(model)
        if each.axes is not None
    }
    assert {name: each.blocks for name, each in found.items()} == {
        "embedding embeddings": 1,
        "conv_lstm1d kernel": 4,
        "conv_lstm1d recurrent_kernel": 4,
        "separable_conv1d depthwise_kernel": 1,
        "separable_conv1d pointwise_kernel": 1,
        "gru kernel": 3,
        "gru recurrent_kernel": 3,
        "dense kernel": 1,
    }
    assert found["separable_conv1d depthwise_kernel"].axes.batch == (1,)
