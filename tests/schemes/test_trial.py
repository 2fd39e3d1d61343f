"""The trials on a layer whose output may be any function of its kernel."""

import keras
import numpy as np
import pytest

from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.layer_kernel import LayerKernel
from keras_initx.schemes._lsuv.correction import correct
from keras_initx.schemes._lsuv.trial import Trial

KERNEL = keras.Variable(np.ones((2, 2)))
AXES = KernelAxes.resolve("test", KERNEL.shape)


def tried_scales(std_of, target=1.0):
    """All scales of a kernel that are tried, where `std_of` gives the output's."""
    scales, trial = [1.0], None
    while True:
        variance = np.full((1, 1), std_of(scales[-1]) ** 2)
        zeros = np.zeros((1, 1))
        correction = correct(zeros, variance, zeros, target, tolerance=1e-3)
        trial = trial or Trial(correction, LayerKernel(KERNEL, AXES))
        if correction.changes_nothing:
            return scales, trial
        if (tried := trial.next(correction)) is None:
            return scales, trial
        scales.append(scales[-1] * tried.factor)


@pytest.mark.parametrize("power", [0.5, 1, 3, -1])
def test_a_power_is_found_by_the_second_trial(power):
    scales, trial = tried_scales(lambda scale: 7 * scale**power)
    assert len(scales) <= 3
    assert 7 * scales[-1] ** power == pytest.approx(1, rel=1e-3)
    assert trial.factor == pytest.approx(scales[-1])


def test_ten_trials_and_no_more():
    # It jumps over the target.
    scales, trial = tried_scales(lambda scale: 2 * scale if scale > 0.7 else scale / 2)
    assert len(scales) == 1 + 10
    assert trial.is_given_up


def test_what_does_not_follow_its_kernel_is_given_up_at_once():
    scales, trial = tried_scales(lambda scale: 2 * scale**0.01)
    assert len(scales) == 2
    assert trial.is_given_up
