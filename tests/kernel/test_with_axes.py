"""with_axes: what an initializer is told, and what it keeps."""

import keras
import numpy as np
import pytest
from catalogue import to_numpy

from keras_initx import initializers
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.with_axes import with_axes

TRANSPOSED = KernelAxes.resolve("test", (3, 3, 6, 4), [-1], [-2])
DEPTHWISE = KernelAxes.resolve("test", (3, 3, 6, 2), batch_axes=[-2])
GROUPED = KernelAxes.resolve("test", (3, 3, 6, 8), groups=4)


def axes_of(initializer):
    """The arguments of an initializer that name axes or groups."""
    names = ("input_axes", "output_axes", "batch_axes", "groups")
    config = initializer.get_config()
    return {name: config[name] for name in names if name in config}


@pytest.mark.parametrize(
    ("axes", "ours", "of_keras"),
    [
        (TRANSPOSED, ([3], [2], [], 1), ([0, 1, 3], [0, 1, 2])),
        (DEPTHWISE, ([], [3], [2], 1), ([0, 1], [0, 1, 3])),
        (GROUPED, ([2], [3], [], 4), ([0, 1, 2], [0, 1, 3])),
    ],
)
def test_an_initializer_is_told_the_axes(axes, ours, of_keras):
    names = ("input_axes", "output_axes", "batch_axes", "groups")
    told = axes_of(with_axes(initializers.HaarOrthogonal(), axes))
    assert told == dict(zip(names, ours, strict=True))
    # It has no `groups`.
    told = axes_of(with_axes(initializers.Sparse(), axes))
    assert told == dict(zip(names[:3], ours[:3], strict=True))
    told = axes_of(with_axes(keras.initializers.GlorotUniform(), axes))
    assert told == dict(zip(names[:2], of_keras, strict=True))


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.HaarOrthogonal(groups=2, input_axes=[0], batch_axes=[1]),
        keras.initializers.GlorotUniform(input_axes=[0]),
        keras.initializers.GlorotUniform(input_axes=[0], output_axes=[1, 2]),
        keras.initializers.VarianceScaling(
            3.0, "fan_out", input_axes=[], output_axes=[]
        ),
    ],
)
def test_what_the_initializer_names_itself_stays(initializer):
    named = {k: v for k, v in axes_of(initializer).items() if v is not None}
    told = with_axes(initializer, GROUPED)
    assert {name: axes_of(told)[name] for name in named} == named
    assert getattr(told, "scale", None) == getattr(initializer, "scale", None)


@pytest.mark.parametrize(
    "initializer",
    [
        keras.initializers.Orthogonal(seed=1),
        keras.initializers.Identity(),
        keras.initializers.RandomNormal(seed=1),
        lambda shape, dtype=None: keras.ops.ones(shape, dtype),
    ],
)
def test_without_such_arguments_it_is_the_same_object(initializer):
    assert with_axes(initializer, GROUPED) is initializer


def test_a_subclass_that_draws_in_its_own_way_keeps_its_scale():
    class Own(keras.initializers.VarianceScaling):
        def __call__(self, shape, dtype=None):
            return keras.ops.ones(shape, dtype)

    told = with_axes(Own(3.0, "fan_out"), GROUPED)
    assert type(told) is Own
    assert (told.scale, told.input_axes) == (3.0, [0, 1, 2])


@pytest.mark.parametrize(
    "cls", [initializers.HaarOrthogonal, keras.initializers.GlorotNormal]
)
class TestSeeds:
    def draw(self, initializer):
        return to_numpy(initializer((3, 3, 6, 4)))

    def test_a_seed_is_set(self, cls):
        told = with_axes(cls(seed=1), seed=5)
        np.testing.assert_array_equal(self.draw(told), self.draw(cls(seed=5)))
        assert with_axes(keras.initializers.Ones(), seed=5).get_config() == {}

    def test_the_seed_that_was_drawn_stays(self, cls):
        initializer = cls()
        one, other = (with_axes(initializer, TRANSPOSED) for _ in range(2))
        np.testing.assert_array_equal(self.draw(one), self.draw(other))

    @pytest.mark.parametrize("axes", [TRANSPOSED, GROUPED])
    def test_a_generator_moves_on(self, cls, axes):
        initializer = cls(seed=keras.random.SeedGenerator(1))
        assert with_axes(initializer, axes).seed is initializer.seed
