"""A notebook with its outputs as Markdown."""

import base64
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from site_names import ROOT

TUTORIALS = ROOT / "tutorials"
# Where to begin comes first; a notebook that is not listed comes last.
ORDER = (
    "zeros_and_constants",
    "diagnose",
    "deep_linear",
    "delta_orthogonal",
    "shattered_gradients",
    "random_walk",
    "sparse",
    "lsuv",
    "recurrent",
    "fixup",
    "draw_again",
    "start_from_another_network",
    "write_your_own",
)
# What is shown of an output that has several forms.
_IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
_FORMS = ("text/html", "text/markdown", *_IMAGES, "text/plain")


@dataclass
class NotebookPage:
    """What becomes of a notebook: the text, its pictures, and HTML to put in later."""

    name: str
    title: str = ""
    code: str = ""
    parts: list[str] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)
    html: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The page as a file in `docs/`."""
        return f"tutorials/{self.name}.ipynb"

    @property
    def introduction(self) -> str:
        """The first paragraph after the title."""
        first = self.parts[0].partition("\n")[2].strip()
        return " ".join(first.partition("\n\n")[0].split())


def notebooks() -> list[Path]:
    """All notebooks of the tutorials, in the order of the site."""

    def place(path: Path) -> tuple[int, str]:
        known = path.stem in ORDER
        return (ORDER.index(path.stem) if known else len(ORDER), path.stem)

    return sorted(TUTORIALS.glob("*.ipynb"), key=place)


def read(path: Path) -> NotebookPage:
    """Reads a notebook with what it has put out."""
    page = NotebookPage(path.stem)
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            page.parts.append(source)
        elif cell["cell_type"] == "code" and source.strip():
            page.code += f"{source}\n"
            page.parts.append(_fenced(source, ".python"))
            for output in _joined(cell["outputs"]):
                page.parts.append(_output(page, output))
    heading = re.match(r"# (.+)", page.parts[0]) if page.parts else None
    if heading is None:
        raise ValueError(f"{path} needs a title: a first cell that starts with `# `.")
    page.title = heading[1].strip()
    return page


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The outputs, with what was printed in pieces in one piece."""
    found: list[dict[str, Any]] = []
    for output in outputs:
        is_stream = output["output_type"] == "stream"
        if is_stream and found and found[-1]["output_type"] == "stream":
            found[-1]["text"] += "".join(output["text"])
        else:
            text = {"text": "".join(output["text"])} if is_stream else {}
            found.append({**output, **text})
    return found


def _output(page: NotebookPage, output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _fenced(_printed(output["text"]), ".text .nb-output")
    if output["output_type"] == "error":
        return _fenced(_printed("\n".join(output["traceback"])), ".text .nb-output")
    data = output["data"]
    form = next((form for form in _FORMS if form in data), None)
    if form is None:
        raise ValueError(f"{page.name}: no way to show an output of {list(data)}.")
    content = "".join(data[form])
    if form == "text/html":
        page.html.append(content)
        return f'<div class="nb-output" data-output="{len(page.html) - 1}"></div>'
    if form in _IMAGES:
        is_text = form == "image/svg+xml"
        image = content.encode() if is_text else base64.b64decode(content)
        name = f"{page.name}_{len(page.images) + 1}.{_IMAGES[form]}"
        page.images[f"tutorials/pictures/{name}"] = image
        return f"![What the code above draws](pictures/{name}){{ .nb-picture }}"
    return content if form == "text/markdown" else _fenced(content, ".text .nb-output")


def _printed(text: str) -> str:
    """What a terminal shows: without colours, and the last state of progress bars."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    while "\b" in text:
        text = re.sub(r"[^\x08\n]?\x08", "", text, count=1)
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _fenced(text: str, classes: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence} {{ {classes} }}\n{text.rstrip()}\n{fence}"
