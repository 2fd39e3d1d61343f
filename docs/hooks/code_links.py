"""Code that is a public name, or a kind of verdict, links to its page."""

import html
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from site_names import pages_of_names

from keras_initx.diagnostics import VerdictKind

# What is a link already, a heading, or a block of code.
_CLOSED = re.compile(r"(<(a|pre|h[1-6])\b.*?</\2>)", re.DOTALL)
_CODE = re.compile(r"<code>([^<]+)</code>")
# These are the names of arguments too.
_AMBIGUOUS = {"gain"}
_KINDS = {kind.value: f"verdicts.md#{kind.value}" for kind in VerdictKind}


def on_page_content(
    content: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Adds the links to a page."""
    targets = {**_KINDS, **pages_of_names()}

    def linked(code: re.Match[str]) -> str:
        name = html.unescape(code[1])
        source, mark, anchor = targets.get(name, "").partition("#")
        is_here = source == page.file.src_uri and not anchor
        file = files.get_file_from_path(source) if source else None
        if file is None or is_here or name in _AMBIGUOUS:
            return code[0]
        return (
            f'<a href="{file.url_relative_to(page.file)}{mark}{anchor}">{code[0]}</a>'
        )

    parts = _CLOSED.split(content)
    # Each group of the pattern gives a part of its own.
    for place in range(0, len(parts), 3):
        parts[place] = _CODE.sub(linked, parts[place])
    return "".join(part for place, part in enumerate(parts) if place % 3 != 2)
