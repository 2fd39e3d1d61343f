"""All entries, by the names of keras_initx."""

from _panels.entries.blocks import BLOCKS
from _panels.entries.few import FEW
from _panels.entries.images import IMAGES
from _panels.entries.plain import PLAIN
from _panels.entries.recurrent import RECURRENT
from _panels.entries.schemes import SCHEMES

ENTRIES = {**PLAIN, **RECURRENT, **BLOCKS, **IMAGES, **FEW, **SCHEMES}
