"""The shared descriptions of arguments."""

import inspect
import textwrap

from catalogue import run_python

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


def test_without_docstrings_the_package_is_imported():
    """Python's option -OO drops them."""
    script = """
import subprocess, sys
code = "import keras_initx; print(keras_initx.HaarOrthogonal.__doc__)"
print(subprocess.check_output([sys.executable, "-OO", "-c", code], text=True))
"""
    done = run_python(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None"]
