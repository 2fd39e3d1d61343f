"""The page for users of other libraries: both columns of its tables draw alike."""

import math
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import scipy.stats
from catalogue import BACKEND, to_numpy
from limits import FALSE_ALARM, SIGMAS

import keras_initx

PAGE = (Path(__file__).parents[1] / "docs" / "coming_from.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
FAN_IN, UNITS = 256, 192
SIZES = {"fan_in": FAN_IN, "units": UNITS, "math": math}
CONVOLUTION = (3, 3, 48, 64)
DEVIATION_OF_TRUNCATED = 0.87962566103423978


def rows(heading):
    """The first two code cells of each row below a heading."""
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    return re.findall(r"^\| `(.*?)` \| `(.*?)` \|", section[1], re.M)


def table(*headings):
    found = [row for heading in headings for row in rows(heading)]
    assert len(found) > 3
    return pytest.mark.parametrize(("theirs", "ours"), found)


def ours_like(code, theirs):
    """What our initializer draws, in the shape of what theirs drew."""
    names = {"keras": keras, "keras_initx": keras_initx, **SIZES}
    return to_numpy(keras.initializers.get(eval(code, names))(theirs.shape))


# How two draws are compared


def assert_same_law(theirs, ours):
    """The same values, or the same deviation, distribution, zeros, singular values."""
    assert ours.shape == theirs.shape
    if np.unique(theirs).size <= 3:
        np.testing.assert_array_equal(ours, theirs)
        return
    np.testing.assert_array_equal(taps(ours), taps(theirs))
    np.testing.assert_array_equal(zeros(ours), zeros(theirs))
    one, other = theirs[theirs != 0], ours[ours != 0]
    # The difference of two estimates has twice the variance of one.
    assert abs(np.log(other.std() / one.std())) < SIGMAS / math.sqrt(one.size)
    kurtosis = [scipy.stats.kurtosis(values) for values in (one, other)]
    assert abs(kurtosis[0] - kurtosis[1]) < SIGMAS * math.sqrt(2 * 24 / one.size)
    assert scipy.stats.ks_2samp(one, other, method="asymp").pvalue > FALSE_ALARM
    assert_same_singular_values(theirs, ours)


def taps(kernel):
    """Which taps of a convolution are not zero."""
    return kernel.any(axis=(-2, -1)) if kernel.ndim > 2 else True


def zeros(kernel):
    """How many weights of each input are zero."""
    return (kernel == 0).sum(axis=-1)


def assert_same_singular_values(theirs, ours):
    """All equal where theirs are; those of random matrices to 10 % of the largest."""
    if theirs.ndim == 1:
        return
    one, other = (
        np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)
        for kernel in (theirs, ours)
    )
    is_orthogonal = np.ptp(one) < 1e-5 * one.max()
    np.testing.assert_allclose(
        other, one, rtol=0, atol=one.max() * (1e-5 if is_orthogonal else 0.1)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: 1.05 * w,
        lambda w: w + 0.1 * w.std(),
        lambda w: w * (np.arange(w.size).reshape(w.shape) % 100 > 0),
        lambda w: np.clip(w, -2 * w.std(), 2 * w.std()),
        lambda w: np.sign(w) * np.abs(w) ** 1.1,
        lambda w: w.std() * math.sqrt(FAN_IN) * np.linalg.qr(w)[0],
    ],
)
@pytest.mark.same_on_each_backend(every=9)
def test_another_law_is_told_apart(wrong):
    one, other = np.random.default_rng(0).normal(size=(2, FAN_IN, UNITS))
    assert_same_law(one, other)
    with pytest.raises(AssertionError):
        assert_same_law(one, wrong(other))


# PyTorch, and what is built on it


def of_pytorch(code, **names):
    """What PyTorch's code draws, with the axes of Keras."""
    import torch  # noqa: TID251

    names |= {"nn": torch.nn, "init": torch.nn.init, **SIZES}
    shape = CONVOLUTION if "dirac" in code else (FAN_IN, UNITS)
    names["w"] = torch.empty([shape[axis] for axis in (-1, -2, *range(len(shape) - 2))])
    with torch.no_grad():
        drawn = to_numpy(eval(code, names))
    first, *others = range(drawn.ndim)
    return drawn.transpose(*others[1:], *others[:1], first)


only_pytorch = pytest.mark.skipif(BACKEND != "torch", reason="needs PyTorch")


@only_pytorch
@table("What layers start with", "`torch.nn.init`", "Hugging Face and fairseq")
def test_pytorch(theirs, ours):
    drawn = of_pytorch(theirs)
    assert_same_law(drawn, ours_like(ours, drawn))


@only_pytorch
def test_the_gains_of_pytorch():
    import torch  # noqa: TID251

    gains = re.findall(r'^\| `"(\w+)"` \| ([\d.]+) \| ([\d.]+) \|', PAGE, re.M)
    assert len(gains) == 5
    for activation, theirs, ours in gains:
        found = torch.nn.init.calculate_gain(activation)
        assert found == pytest.approx(float(theirs), abs=5e-5)
        found = keras_initx.gain(activation)
        assert found == pytest.approx(float(ours), abs=5e-5)


# timm need not be installed: what its functions draw, in NumPy.


def cut_off(w, std, bound):
    """N(0, std^2), cut off at the bound."""
    draws = scipy.stats.truncnorm(-bound / std, bound / std, scale=std)
    return draws.rvs(size=tuple(w.shape), random_state=np.random.default_rng(1))


def variance_scaling_(w, scale=1.0, mode="fan_in", distribution="normal"):
    units, fan_in = w.shape
    fan = {"fan_in": fan_in, "fan_avg": (fan_in + units) / 2}[mode]
    std = math.sqrt(scale / fan)
    if distribution == "normal":
        return np.random.default_rng(1).normal(scale=std, size=tuple(w.shape))
    std /= DEVIATION_OF_TRUNCATED
    return cut_off(w, std, 2 * std)


TIMM = {
    "trunc_normal_": lambda w, std: cut_off(w, std, 2),
    "trunc_normal_tf_": lambda w, std: cut_off(w, std, 2 * std),
    "variance_scaling_": variance_scaling_,
    "lecun_normal_": lambda w: variance_scaling_(w, distribution="truncated_normal"),
}


@pytest.mark.same_on_each_backend(every=9)
@table("timm")
def test_timm(theirs, ours):
    drawn = eval(theirs, {**TIMM, "w": np.empty((UNITS, FAN_IN))}).T
    assert_same_law(drawn, ours_like(ours, drawn))


# JAX and Flax


@pytest.mark.skipif(BACKEND != "jax", reason="needs JAX")
@table("JAX and Flax")
def test_jax(theirs, ours):
    import jax  # noqa: TID251

    shape = (FAN_IN, UNITS)
    if "delta" in theirs:
        shape = CONVOLUTION
    if "batch_axis" in theirs:
        shape = (4, 64, UNITS)
    draw = eval(theirs, {"init": jax.nn.initializers})
    drawn = to_numpy(draw(jax.random.key(0), shape))
    assert_same_law(drawn, ours_like(ours, drawn))


# TensorFlow 1


def of_tensorflow_1(code):
    """What an initializer of TensorFlow 1 draws; some stand only in a private file."""
    import tensorflow as tf  # noqa: TID251
    from tensorflow.python.ops import init_ops  # noqa: TID251

    shape = (FAN_IN, UNITS)
    if "contrib" in code:
        axes = int(found[1]) if (found := re.search(r"(\d)d\(", code)) else 2
        shape = (3,) * axes + CONVOLUTION[-2:]
    contrib = SimpleNamespace(framework=init_ops)
    names = SimpleNamespace(**vars(tf.compat.v1), contrib=contrib)
    return to_numpy(eval(code, {"tf": names})(shape))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="needs TensorFlow")
@table("TensorFlow 1")
def test_tensorflow_1(theirs, ours):
    drawn = of_tensorflow_1(theirs)
    assert_same_law(drawn, ours_like(ours, drawn))


# Keras itself


@table("Keras itself")
@pytest.mark.same_on_each_backend(every=9)
def test_keras(theirs, ours):
    drawn = ours_like(theirs, np.empty((FAN_IN, UNITS)))
    assert_same_law(drawn, ours_like(ours, drawn))


# What can be pasted


@pytest.mark.same_on_each_backend(every=9)
@pytest.mark.parametrize("code", BLOCKS)
def test_the_code_runs(code):
    exec(code, {"keras": keras, "keras_initx": keras_initx})
