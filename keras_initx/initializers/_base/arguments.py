"""The descriptions of arguments that several initializers share.

A class writes `seed: ...` into the `Args` of its docstring, and `@shared_arguments`
puts the text in the place of the dots. What follows the dots comes after the text.
"""

import inspect
import re
import textwrap
from typing import TypeVar

T = TypeVar("T", bound=type)

TEXTS = {
    "gain": (
        "float, str, callable or `keras.layers.Layer`. The factor of the norm. A "
        "positive number; or an activation, by its name, as a function or as a layer, "
        "of which `activations.gain` is taken. Defaults to `1.0`."
    ),
    "base": (
        "str, dict or `keras.initializers.Initializer`. Draws the kernel that is "
        "scaled. It gets the axes, the groups and the seed of this initializer."
    ),
    "groups": (
        "int. The `groups` of a grouped convolution. The kernel of each group is then "
        "drawn on its own. Defaults to `1`."
    ),
    "scale": (
        'str. `"isometry"` makes all singular values `gain`. `"variance"` multiplies '
        "by `max(sqrt(out / in), 1)`, so that the outputs have `gain^2` times the mean "
        'square of the inputs in layers of any shape. Defaults to `"isometry"`.'
    ),
    "strides": ("int. The product of the strides of a convolution. Defaults to `1`."),
    "image_size": (
        "int, list of int or None. The pixels of the layer's inputs: one number for "
        "all spatial axes, or one for each. The kernel is then multiplied by "
        '`border_gain`, which makes up for the zeros of `padding="same"`. Kernels '
        "without spatial axes, and those of layers with `strides`, stay as they are. "
        "Defaults to `None`, which changes nothing."
    ),
    "seed": (
        "int, `keras.random.SeedGenerator` or None. As in Keras: an integer gives the "
        "same values at each call, a generator gives new ones, and None draws an "
        "integer once. Defaults to `None`."
    ),
    "input_axes": (
        "list of int or None. The axes of the inputs over which a unit sums. Attention "
        "layers set it themselves; a transposed convolution needs `[-1]`. Defaults to "
        "`None`, which means `[-2]`."
    ),
    "output_axes": (
        "list of int or None. The axes that number the output units. Attention layers "
        "set it themselves; a transposed convolution needs `[-2]`. Defaults to `None`, "
        "which means `[-1]`."
    ),
    "batch_axes": (
        "list of int or None. The axes that number independent kernels; a depthwise "
        "convolution needs `[-2]`. The axes without any role are spatial. Defaults to "
        "`None`, which means no axis."
    ),
}


def shared_arguments(cls: T) -> T:
    """Fills the shared texts into the docstring of a class, and returns the class."""
    # Python drops docstrings with the option -OO.
    if cls.__doc__ is not None:
        entry = r"^    (\w+): \.\.\.((?:\n        \S.*| .*)*)$"
        text = inspect.cleandoc(cls.__doc__)
        cls.__doc__ = re.sub(entry, _described, text, flags=re.MULTILINE)
    return cls


def _described(entry: re.Match[str]) -> str:
    """One argument with its text, in lines as long as those of a docstring."""
    name, more = entry.groups()
    return textwrap.fill(
        " ".join(f"{name}: {TEXTS[name]} {more}".split()),
        width=84,
        initial_indent=4 * " ",
        subsequent_indent=8 * " ",
        break_long_words=False,
        break_on_hyphens=False,
    )
