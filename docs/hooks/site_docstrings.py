"""A docstring of the house as Markdown.

The docstrings are read at run time, because the descriptions of shared arguments are
filled in then. Examples lose their prompts, so that they can be copied.
"""

import doctest
import inspect
import re
import textwrap
from typing import Any

TITLES = {
    "Examples": "Example",
    "Args": "Arguments",
    "Call arguments": "Call arguments",
    "Returns": "Returns",
    "Raises": "Raises",
    "Warns": "Warns",
    "Reference": "Reference",
}
_START = re.compile(rf"^({'|'.join(TITLES)}):\n", re.MULTILINE)
_WIDTH = 72


def markdown_of(member: Any, heading: str = "## ") -> str:
    """All of a docstring after its first sentence."""
    text = inspect.getdoc(member) or ""
    parts = _START.split(text)
    prose = parts[0].partition("\n\n")[2].strip("\n")
    sections = [
        f"{heading}{TITLES[name]}\n\n{_section(name, body)}"
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return "\n\n".join([prose.rstrip(), *sections]).strip("\n")


def sections_of(member: Any) -> set[str]:
    """The names of the sections that a docstring has."""
    return set(_START.findall(inspect.getdoc(member) or ""))


def _section(name: str, body: str) -> str:
    if name == "Examples":
        return _example(body)
    text = textwrap.dedent(body).strip()
    if name in ("Args", "Call arguments", "Raises", "Warns"):
        return _entries(text)
    return text


def _example(body: str) -> str:
    """Code to copy, with what it prints in comments."""
    lines = ["import keras", "import keras_initx", ""]
    for part in doctest.DocTestParser().parse(textwrap.dedent(body)):
        if isinstance(part, doctest.Example):
            lines += part.source.rstrip().split("\n")
            lines += [f"# {line}".rstrip() for line in part.want.splitlines()]
        elif part.strip():
            lines += ["", *(f"# {line}" for line in part.strip().split("\n"))]
    return "\n".join(["```python", *lines, "```"])


def _entries(text: str) -> str:
    """The entries `name: text` as a list of definitions."""
    found = []
    for entry in re.split(r"\n(?=\S)", text):
        name, colon, rest = entry.partition(":")
        if not colon:
            return text
        first, _, more = rest.strip().partition("\n")
        description = f"{first}\n{textwrap.dedent(more)}".strip()
        indented = textwrap.indent(description, 4 * " ")[4:]
        found.append(f"`{name}`\n:   {indented}")
    return "\n\n".join(found)


def signature_of(path: str, member: Any) -> str:
    """How a public name is called, without the types, which the arguments name."""
    signature = inspect.signature(member)
    parts, stars = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not stars:
            parts.append("*")
        stars |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        parts.append(str(parameter.replace(annotation=parameter.empty)))
    line = f"{path}({', '.join(parts)})"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{path}(", *(f"    {part}," for part in parts), ")"])
