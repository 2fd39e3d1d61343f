"""The shared descriptions of arguments."""

import inspect
import textwrap

from keras_initx.initializers._base.arguments import TEXTS, shared_arguments


def test_the_shared_text_stands_in_the_place_of_the_dots():
    @shared_arguments
    class Example:
        """Does something.

        Args:
            size: int. Its own text ...
            seed: ... More about it, in a
                second line.
            groups: ...

        Raises:
            ValueError: If it fails.
        """

    head, own, seed, groups, raises = (
        textwrap.dedent(part)
        for part in (
            "Does something.\n\nArgs:\n",
            "    size: int. Its own text ...\n",
            "seed: " + TEXTS["seed"] + " More about it, in a second line.",
            "groups: " + TEXTS["groups"],
            "Raises:\n    ValueError: If it fails.",
        )
    )
    text = inspect.getdoc(Example)
    assert text.startswith(head)
    assert text.endswith(raises)
    words = " ".join(text.split())
    for part in (own, seed, groups):
        assert " ".join(part.split()) in words
    assert max(map(len, text.splitlines())) <= 84


def test_a_class_without_docstring_stays_as_it_is():
    """Python's option -OO drops them."""

    class Example:
        pass

    assert shared_arguments(Example) is Example
    assert Example.__doc__ is None
