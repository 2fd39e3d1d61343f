"""A weight as a table of pixels."""

import numpy as np

# Larger kernels show their first corner.
LARGEST = 32
# Fewer kernels than this are shown as images, one for each pair of channels.
FEW = 16


def pixels(weight):
    """A bias as one row; a matrix as it is; a convolution as tiles, NaN in between."""
    if weight.ndim == 1:
        return weight[None]
    if weight.ndim == 2:
        return weight[:LARGEST, :LARGEST]
    *taps, inputs, outputs = weight.shape
    if inputs * outputs > FEW:
        rows, columns = taps
        tiles = weight.reshape(rows * columns, inputs, outputs)
    else:
        tiles = np.moveaxis(weight.reshape(*taps, -1), -1, 0)
        columns = int(np.ceil(np.sqrt(len(tiles))))
    return _grid(tiles, columns)


def _grid(tiles, columns):
    """Tiles side by side, one pixel apart."""
    count, height, width = tiles.shape
    if count == 1:
        return tiles[0]
    rows = -(-count // columns)
    table = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        top, left = row * (height + 1), column * (width + 1)
        table[top : top + height, left : left + width] = tile
    return table
