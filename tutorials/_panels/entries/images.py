"""Initializers of networks whose outputs are images."""

from _panels.entry import Entry, redraw
from _panels.networks import images
from keras_initx import initializers

IMAGES = {
    "Siren": Entry(
        images.implicit,
        redraw(
            {
                "hidden_1/kernel": initializers.Siren(first=True),
                "*/kernel": "siren",
            }
        ),
        "hidden_2/kernel",
    ),
    "ICNR": Entry(images.sub_pixels, redraw({"up/kernel": "icnr"}), "up/kernel"),
    "Bilinear": Entry(
        images.transposed, redraw({"up/kernel": "bilinear"}), "up/kernel"
    ),
}
