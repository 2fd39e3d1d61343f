"""Cells with much text get the class `long`: wide tables do not squeeze them."""

import re
from typing import Any

_CELL = re.compile(r"<td>((?:(?!</td>).)*)</td>", re.DOTALL)
_MUCH = 40


def on_page_content(content: str, **_: Any) -> str:
    """Marks the cells of a page."""

    def marked(cell: re.Match[str]) -> str:
        is_long = len(re.sub("<[^>]*>", "", cell[1])) > _MUCH
        return f'<td class="long">{cell[1]}</td>' if is_long else cell[0]

    return _CELL.sub(marked, content)
