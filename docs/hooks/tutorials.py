"""Adds the notebooks of `tutorials/` as pages, and its pictures as files."""

import html
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_navigation import fill
from site_notebooks import TUTORIALS, NotebookPage, notebooks, read

_PAGES: dict[str, NotebookPage] = {}


class NotebookFile(File):
    """A notebook, which is a page although it does not end with `.md`."""

    def is_documentation_page(self) -> bool:
        """Yes."""
        return True


def on_config(config: MkDocsConfig) -> None:
    """Reads the notebooks, and lists them in the navigation."""
    _PAGES.clear()
    for path in notebooks():
        page = read(path)
        _PAGES[page.source] = page
    pages: list[Any] = [{page.title: source} for source, page in _PAGES.items()]
    fill(config, "tutorials/", ["tutorials/index.md", *pages])


@event_priority(50)
def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds pages, pictures, and the notebooks themselves to be downloaded."""
    files.append(File.generated(config, "tutorials/index.md", content=_index()))
    for source, page in _PAGES.items():
        notice = (
            f"*This page is a notebook that was run. [Download it](download/{page.name}"
            f".ipynb), or [open it on GitHub](../tutorials/{page.name}.ipynb?raw).*"
        )
        first, *others = page.parts
        title, _, introduction = first.partition("\n")
        text = "\n\n".join([title, introduction.strip(), notice, *others])
        files.append(NotebookFile.generated(config, source, content=text + "\n"))
        for picture, content in page.images.items():
            files.append(File.generated(config, picture, content=content))
    for path in TUTORIALS.iterdir():
        folder = {".ipynb": "download/", ".png": "", ".svg": ""}.get(path.suffix)
        if folder is not None:
            place = f"tutorials/{folder}{path.name}"
            files.append(File.generated(config, place, abs_src_path=str(path)))


def on_page_content(content: str, page: Page, **_: Any) -> str:
    """Puts the HTML that a notebook has put out where it belongs."""
    notebook = _PAGES.get(page.file.src_uri)
    for number, output in enumerate(notebook.html if notebook else ()):
        place = f'<div class="nb-output" data-output="{number}"></div>'
        content = content.replace(place, f'<div class="nb-output">{output}</div>')
    return content


def _index() -> str:
    """The notebooks, with what each is about."""
    lines = ["# Tutorials", ""]
    lines += ["Notebooks to run, each in less than three minutes on two cores.", ""]
    for page in _PAGES.values():
        link = page.source.removeprefix("tutorials/")
        lines += [f"## [{html.escape(page.title)}]({link})", "", page.introduction, ""]
    return "\n".join(lines)
