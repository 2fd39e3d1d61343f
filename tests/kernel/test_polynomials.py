"""Products of matrix polynomials, judged by their values on the unit circle."""

import limits
import numpy as np
import pytest
from catalogue import BACKEND, to_numpy, traced
from keras import ops

from keras_initx._kernel import polynomials

# One factor, unequal shifts as of several axes, and many.
SHIFTS = ([1], [6, 2, 1, 6, 2], [1] * 37)


def random_factors(rows, n, count, batch=(2, 3)):
    generator = np.random.default_rng(0)
    bases = np.linalg.qr(generator.normal(size=(1 + count, *batch, n, n)))[0]
    stays = generator.random((count, *batch, n)) < 0.5
    return bases[0, ..., :rows, :], bases[1:], stays


def value(first, others, stays, shifts, z):
    """The formula, factor by factor."""
    result = first.astype("complex128")
    for matrix, one_stays, shift in zip(others, stays, shifts, strict=True):
        result = result * np.where(one_stays, 1, z**shift)[..., None, :] @ matrix
    return result


def draw(factors, shifts, convert):
    first, others, stays = factors
    return polynomials.product(
        convert(first.astype("float32")),
        convert(others.astype("float32")),
        convert(stays),
        shifts,
    )


def in_program(factors, shifts):
    def run():
        return draw(factors, shifts, ops.convert_to_tensor)

    return run() if BACKEND == "torch" else traced(run)


def in_numpy(factors, shifts):
    return draw(factors, shifts, np.array)


@pytest.mark.parametrize(
    ("rows", "shifts", "run"),
    [*((2, shifts, in_numpy) for shifts in SHIFTS), (3, SHIFTS[1], in_program)],
)
@pytest.mark.parametrize("are_few", [True, False], ids=["one by one", "by halves"])
def test_the_product_is_that_of_the_formula(rows, shifts, run, are_few, monkeypatch):
    monkeypatch.setattr(polynomials, "_are_few", lambda *_: are_few)
    first, others, stays = random_factors(rows, 3, len(shifts))
    result = run((first, others, stays), shifts)
    assert tuple(result.shape) == (2, 3, 1 + sum(shifts), rows, 3)
    taps = np.moveaxis(to_numpy(result), -3, 0)
    for z in np.exp(1j * np.array([0.0, 0.1, 1.0, np.pi])):
        np.testing.assert_allclose(
            np.polynomial.polynomial.polyval(z, taps),
            value(first, others, stays, shifts, z),
            atol=limits.rounding(3, layers=len(shifts)),
        )


@pytest.mark.parametrize("rows", [1, 4])
def test_long_products_take_about_linear_time(rows, monkeypatch):
    """The lengths of all transforms together: n log(n), where n^2 / 2 = 131,000."""
    lengths, convolve = [], polynomials.convolve

    def watched(left, right, length):
        lengths.append(len(left) * length)
        return convolve(left, right, length)

    monkeypatch.setattr(polynomials, "convolve", watched)
    count = 128 * 4 // rows + 1
    polynomials.product(*random_factors(rows, 4, count, batch=()), [1] * count)
    rounds = int(np.ceil(np.log2(count)))
    assert len(lengths) == rounds
    assert sum(lengths) <= 2 * count * rounds


def test_a_few_factors_are_not_transformed(monkeypatch):
    monkeypatch.delattr(polynomials, "convolve")
    polynomials.product(*random_factors(4, 4, 128, batch=()), [1] * 128)
    with pytest.raises(NameError):
        polynomials.product(*random_factors(4, 4, 129, batch=()), [1] * 129)
