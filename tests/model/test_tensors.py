"""Tensors among the arguments and the outputs of layers."""

import hypothesis.strategies as st
import keras
from hypothesis import given
from keras import ops

from keras_initx._model.tensors import flat, is_float_tensor

TENSORS = [ops.ones((2, 3)), ops.ones((0, 3)), ops.ones((2,), "int32")]
LEAVES = st.sampled_from([*TENSORS, None, True, 1.5, "name"])
NESTED = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.lists(parts, max_size=3).map(tuple),
        # Keras takes them in the order of their keys.
        st.dictionaries(st.sampled_from(["b", "a", "c"]), parts, max_size=3),
    ),
    max_leaves=8,
)


@given(NESTED)
def test_they_are_found_in_the_order_of_keras(values):
    found, expected = flat(values), keras.tree.flatten(values)
    assert [id(leaf) for leaf in found] == [id(leaf) for leaf in expected]


def test_an_empty_one_or_one_of_integers_is_none_of_floats():
    assert [is_float_tensor(value) for value in (*TENSORS, None, 1.5)] == [
        *(True, False, False, False, False)
    ]
