"""What a convolution loses at the borders of an image that zeros surround.

The taps of a random convolution are uncorrelated. So the variance of an output pixel is
the sum of the variances of the input pixels that its taps read, each times the share of
the kernel's variance that the tap holds. This map of variances is one Toeplitz matrix
for each axis, and their Kronecker product for the image. In a deep network its largest
eigenvalue, the Perron root, is the factor of the mean square in each layer.
"""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

# The eigenvalues of a larger matrix would take long. Its root follows from a sine.
_LARGEST_MATRIX = 512


def equal_shares(size: int) -> tuple[float, ...]:
    """Each tap holds the same share."""
    return (1 / size,) * size


def binomial_shares(size: int) -> tuple[float, ...]:
    """Those of a product of size - 1 random projections and shifts."""
    return tuple(math.comb(size - 1, tap) / 2 ** (size - 1) for tap in range(size))


def central_share(size: int) -> tuple[float, ...]:
    """One tap holds all: that of the pixel itself."""
    return tuple(float(tap == (size - 1) // 2) for tap in range(size))


def border_factor(
    shares: Callable[[int], tuple[float, ...]],
    kernel_size: Sequence[int],
    image_size: Sequence[int],
    dilation_rate: Sequence[int] | None = None,
    depth: int | None = None,
) -> float:
    """The factor of a kernel that makes up for the borders; infinite if all is lost."""
    dilations = [1] * len(kernel_size) if dilation_rate is None else dilation_rate
    rates = [
        _rate(shares(taps), size, dilation, depth)
        for taps, size, dilation in zip(kernel_size, image_size, dilations, strict=True)
    ]
    return math.exp(-sum(rates) / 2)


@functools.lru_cache(256)
def _rate(
    shares: tuple[float, ...], size: int, dilation: int, depth: int | None
) -> float:
    """The logarithm by which the mean square grows in a layer, along one axis.

    Keras's `padding="same"` puts half of the zeros before the image, rounded down.
    """
    before = (len(shares) - 1) * dilation // 2
    reads = [(tap * dilation - before, share) for tap, share in enumerate(shares)]
    reads = [(offset, share) for offset, share in reads if share and abs(offset) < size]
    if depth is not None:
        return _mean_log(reads, size, depth) / depth
    # With a dilation the pixels fall into classes that do not see each other.
    step = math.gcd(*(offset for offset, _ in reads)) or 1
    reads = [(offset // step, share) for offset, share in reads]
    root = _perron_root(reads, -(-size // step))
    return math.log(root) if root > 0 else -math.inf


def _mean_log(reads: list[tuple[int, float]], size: int, depth: int) -> float:
    """The logarithm of the mean of the variances after some layers, from ones."""
    variances, log = np.ones(size), 0.0
    for _ in range(depth):
        read = np.zeros(size)
        for offset, share in reads:
            first, last = max(0, -offset), size - max(0, offset)
            read[first:last] += share * variances[first + offset : last + offset]
        mean = float(read.mean())
        if mean == 0:
            return -math.inf
        variances, log = read / mean, log + math.log(mean)
    return log


def _perron_root(reads: list[tuple[int, float]], size: int) -> float:
    """The largest eigenvalue of the Toeplitz matrix of what a pixel reads."""
    offsets = np.array([offset for offset, _ in reads])
    if not len(offsets) or offsets.min() >= 0 or offsets.max() <= 0:
        # A triangular matrix: its eigenvalues are the diagonal.
        return sum(share for offset, share in reads if offset == 0)
    tilted = _tilted(offsets, np.array([share for _, share in reads]))
    if size > _LARGEST_MATRIX:
        # The vector is a sine, up to a small part near the borders.
        sine = np.sin(np.pi * np.arange(1, size + 1) / (size + 1))
        moved = [sine[: size - abs(offset)] @ sine[abs(offset) :] for offset in offsets]
        return float(tilted @ moved / (sine @ sine))
    matrix = sum(
        share * np.eye(size, k=offset)
        for offset, share in zip(offsets, tilted, strict=True)
    )
    # Exactly 0 if every path from pixel to pixel ends: LAPACK sorts such pixels first.
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def _tilted(offsets: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The shares times r^offset, with the r for which the mean offset is zero.

    A diagonal matrix of the powers of r makes one Toeplitz matrix of the other, so the
    eigenvalues stay. Those of a matrix whose mean offset is not zero, as for an even
    kernel size, come out wrong by more than 1e-3: rounding moves them.
    """
    weights = offsets * shares
    high = math.log(np.abs(weights).sum() / np.abs(weights[offsets != 0]).min())
    low = -high
    for _ in range(100):
        middle = (low + high) / 2
        exponents = middle * offsets
        is_right = weights @ np.exp(exponents - exponents.max()) < 0
        low, high = (middle, high) if is_right else (low, middle)
    return shares * np.exp((low + high) / 2 * offsets)
