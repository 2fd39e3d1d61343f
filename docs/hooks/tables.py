"""Wide tables stay readable: long text gets room, and long code may break.

On a page that stands alone in its tab, tables get the place of the empty menu.
"""

import re
from typing import Any

from mkdocs.structure.pages import Page

_CELL = re.compile(r"<td>((?:(?!</td>).)*)</td>", re.DOTALL)
_CODE = re.compile(r"<code>([^<]{41,})</code>")
_MUCH = 40


def on_page_content(content: str, **_: Any) -> str:
    """Marks the cells of a page."""

    def marked(cell: re.Match[str]) -> str:
        is_long = len(re.sub("<[^>]*>", "", cell[1])) > _MUCH
        inside = _CODE.sub(r'<code class="long">\1</code>', cell[1])
        mark = ' class="long"' if is_long else ""
        return f"<td{mark}>{inside}</td>"

    return _CELL.sub(marked, content)


def on_page_context(context: Any, page: Page, **_: Any) -> None:
    """Hides the menu where it would list the page alone."""
    if page.parent is None and not page.is_homepage:
        page.meta.setdefault("hide", []).append("navigation")
