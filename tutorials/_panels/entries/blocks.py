"""Initializers of residual blocks and transformers."""

from _panels.entry import Entry, redraw
from _panels.networks.residual import residual
from _panels.networks.transformer import transformer
from keras_initx import initializers

BLOCKS_COUNT, LAYERS = 20, 8

BLOCKS = {
    "FixupScaled": Entry(
        lambda: residual(BLOCKS_COUNT),
        redraw(
            {
                "first_*/kernel": initializers.FixupScaled(BLOCKS_COUNT),
                "last_*/kernel": "zeros",
                "head/*": "zeros",
            }
        ),
        "first_10/kernel",
        steps=3,
    ),
    "ZerO": Entry(
        lambda: residual(BLOCKS_COUNT),
        redraw(
            {
                "stem/kernel": "zero_hadamard",
                "first_*/kernel": "zero_hadamard",
                "last_*/kernel": "zeros",
                "head/*": "zeros",
            }
        ),
        "first_10/kernel",
        steps=3,
    ),
    "TFixupScaled": Entry(
        lambda: transformer(LAYERS),
        redraw(
            {
                f"*{part}*/kernel": initializers.TFixupScaled(LAYERS)
                for part in ("value", "attention_output", "feed_", "forward_")
            }
        ),
        "feed_5/kernel",
    ),
    "DepthScaled": Entry(
        lambda: transformer(6, is_normalized=True),
        redraw(
            {
                f"*{part}*/kernel": initializers.DepthScaled(num_layers=6)
                for part in ("attention_output", "forward_")
            }
        ),
        "forward_3/kernel",
    ),
    "Blockwise": Entry(
        lambda: transformer(4, is_normalized=True, is_fused=True),
        redraw(
            {
                "query_key_value_*/kernel": initializers.Blockwise(
                    "glorot_uniform", blocks=3
                )
            }
        ),
        "query_key_value_2/kernel",
    ),
}
