"""Formulas become MathML, which browsers show without a script."""

import html
import re
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)

# The number of parts that these need.
_CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3}
_CHILDREN |= {"munder": 2, "mover": 2, "munderover": 3}


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
        fault = _fault(found)
    except Exception as error:
        fault = repr(error)
    if fault:
        raise PluginError(f"{source}: the formula {tex!r} cannot be shown: {fault}.")
    return found


def _fault(found: str) -> str:
    """What is wrong with MathML: the converter hands on what it does not know."""
    for element in ElementTree.fromstring(found).iter():
        name = element.tag.rpartition("}")[2]
        if (element.text or "").startswith("\\") and name != "annotation":
            return f"{element.text} is not known"
        if len(element) != _CHILDREN.get(name, len(element)):
            return f"a part of {name} is missing"
    return ""
