"""Formulas become MathML, which browsers show without a script."""

import html
import re
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content: str, page: Page, **_: Any) -> str:
    """Converts each formula of a page."""

    def inline(formula: re.Match[str]) -> str:
        return mathml(formula[1], "inline", page.file.src_uri)

    def block(formula: re.Match[str]) -> str:
        found = mathml(formula[1], "block", page.file.src_uri)
        return f'<div class="formula">{found}</div>'

    return _BLOCK.sub(block, _INLINE.sub(inline, content))


def mathml(formula: str, display: str, source: str) -> str:
    """One formula as MathML.

    Raises:
        PluginError: If it is not one that can be converted.
    """
    tex = html.unescape(formula).strip()
    try:
        found = convert(tex, display=display)
    except Exception as error:
        raise PluginError(
            f"{source}: the formula {tex!r} is not valid: {error!r}"
        ) from error
    # What is not known is handed on as text.
    unknown = re.findall(r">\s*(\\[^<]*)<", found)
    if unknown:
        raise PluginError(f"{source}: the formula {tex!r} has the unknown {unknown}")
    return found
