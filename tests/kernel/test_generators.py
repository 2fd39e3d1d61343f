"""Seed generators that are copied and pickled."""

import copy
import pickle
import random

import keras
import numpy as np
import pytest
from catalogue import to_numpy

from keras_initx._kernel import generators


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


every_copy = pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])


def draws(generator, count=3):
    return [to_numpy(keras.random.normal((2,), seed=generator)) for _ in range(count)]


@every_copy
@pytest.mark.parametrize("seed", [7, None])
def test_a_copy_goes_on_from_the_present_state(copied, seed):
    original = keras.random.SeedGenerator(seed, name="own")
    draws(original)
    of_python = random.getstate()
    other = copied(original)
    assert random.getstate() == of_python
    assert other.get_config() == original.get_config() == {"seed": seed, "name": "own"}
    np.testing.assert_array_equal(draws(other), draws(original))
    # Neither has moved the other on.
    np.testing.assert_array_equal(draws(other), draws(original))


@every_copy
def test_what_is_shared_stays_shared(copied):
    original = keras.random.SeedGenerator(1)
    one, other = copied([original, original])
    assert one is other is not original


def test_the_state_of_another_backend():
    """JAX has unsigned words, PyTorch signed ones of 32 bits."""
    config = {"seed": 2**32 - 1, "name": "own"}
    copies = [generators._restore(config, [word, 5]) for word in (2**32 - 1, -1)]
    bits = [to_numpy(each.state).astype("int64") % 2**32 for each in copies]
    np.testing.assert_array_equal(bits, [[2**32 - 1, 5]] * 2)
