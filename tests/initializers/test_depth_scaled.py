"""FixupScaled, TFixupScaled and DepthScaled: another initializer, times a number."""

import keras
import numpy as np
import pytest
from catalogue import matrix, refuses, to_numpy
from keras import layers
from limits import SIGMAS

from keras_initx.initializers import DepthScaled, FixupScaled, TFixupScaled

SHAPE = (3, 4, 6)


@pytest.mark.parametrize("base", ["he_normal", "haar_orthogonal", "truncated_normal"])
@pytest.mark.parametrize(
    ("scaled", "factor"),
    [
        (lambda base: FixupScaled(10, 2, base, seed=5), 10 ** (-1 / 2)),
        (lambda base: FixupScaled(16, 3, base, seed=5), 16 ** (-1 / 4)),
        (lambda base: FixupScaled(16, 4, base, seed=5), 16 ** (-1 / 6)),
        (lambda base: FixupScaled(16, 1, base, seed=5), 0.0),
        (lambda base: TFixupScaled(6, base=base, seed=5), 0.67 / 6**0.25),
        (lambda base: TFixupScaled(6, "decoder", base=base, seed=5), 54**-0.25),
        (lambda base: TFixupScaled(6, part="embedding", base=base, seed=5), 54**-0.25),
        (lambda base: DepthScaled(base, 12, seed=5), 24**-0.5),
        (lambda base: DepthScaled(base, 12, "deepnorm", seed=5), 96**-0.25),
        (lambda base: DepthScaled(base, 12, "complete_p", seed=5), 1 / 12),
    ],
)
def test_the_base_times_a_number(scaled, factor, base):
    """From the same seed, and so it is a factor of the deviation, not the variance."""
    config = keras.initializers.get(base).get_config() | {"seed": 5}
    plain = type(keras.initializers.get(base)).from_config(config)
    np.testing.assert_allclose(
        to_numpy(scaled(base)(SHAPE)), factor * to_numpy(plain(SHAPE)), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("initializer", "shape", "stddev"),
    [
        # Of the fan-out 9 * 256; a fan-in would be 9 * 16.
        (FixupScaled(4, seed=0), (3, 3, 16, 256), 0.5 * np.sqrt(2 / (9 * 256))),
        (
            TFixupScaled(2, part="embedding", seed=0),
            (1000, 64),
            18**-0.25 * 64**-0.5,
        ),
        (DepthScaled(num_layers=2, seed=0), (300, 500), 0.5 * np.sqrt(2 / 800)),
    ],
)
def test_default_bases(initializer, shape, stddev):
    kernel = to_numpy(initializer(shape))
    assert kernel.std() == pytest.approx(stddev, rel=SIGMAS / np.sqrt(2 * kernel.size))


def test_a_base_reads_attention_kernels_by_their_own_axes():
    layer = layers.MultiHeadAttention(
        2, 3, kernel_initializer=DepthScaled("haar_orthogonal", 2)
    )
    layer.build((1, 5, 6), (1, 5, 6))
    query = matrix(layer.query_dense.kernel, (0,), (1, 2))
    np.testing.assert_allclose(query @ query.T, np.eye(6) / 4, atol=1e-6)


def test_groups_reach_the_base():
    kernel = DepthScaled("haar_orthogonal", 2, groups=2)((4, 8))
    for half in np.split(to_numpy(kernel), 2, axis=1):
        np.testing.assert_allclose(half @ half.T, np.eye(4) / 4, atol=1e-6)


def test_bad_arguments_are_refused():
    with refuses(
        "`FixupScaled` needs `num_branches` to be an integer of at least 1. Received: "
        "num_branches=0. Pass a positive int, for example 1."
    ):
        FixupScaled(0)
    with refuses(
        "`FixupScaled` needs `branch_depth` to be an integer of at least 1. Received: "
        "branch_depth=1.5. Pass a positive int, for example 1."
    ):
        FixupScaled(3, 1.5)
    with refuses(
        "`TFixupScaled` needs a known `stack`. Received: stack='both'. Choose one of: "
        "'encoder', 'decoder'."
    ):
        TFixupScaled(stack="both")
    with refuses(
        "`TFixupScaled` needs a known `part`. Received: part='bias'. Choose one of: "
        "'projection', 'embedding'."
    ):
        TFixupScaled(part="bias")
    with refuses(
        "`DepthScaled` needs a known `rule`. Received: rule='magic'. Choose one of: "
        "'gpt2', 'deepnorm', 'complete_p'."
    ):
        DepthScaled(rule="magic")
    with refuses(
        "`DepthScaled` needs a `base` initializer. Received: base=None. Pass for "
        "example 'haar_orthogonal' or 'he_normal'."
    ):
        DepthScaled(None)
